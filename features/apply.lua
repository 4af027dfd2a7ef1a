-- Applies one chunk of facts to one shard: for each fact in offset order, read its entities' windows, then update them.
-- docs/features-semantics.md defines the numbers. The constants in capitals are written before this text.
--
-- KEYS: the fences, the outbox of the facts partition, then one entity's state each.
-- ARGV[1]: {the only server that may apply it, or '', partition, previous offset, committed offset, last offset,
--   latest second, fields of the sources' fences}.
-- ARGV[2]: the kind of each key, a byte each; 0: of a set of event ids.
-- ARGV[3]: values one after another, a fact's: offset, source, source's offset, class, second, amount, units, at home?,
--   event, the key of its set or 0, latest second of the chunk up to it, how many follow; these are of each entity
--   its key and its member of each roll or 0.
-- ARGV[4]: where in it the first one begins, 0 if there is none.
-- Answer: {rows of the facts that asked for one, false where there is none; facts applied here; repeats dropped here;
--   {offset, seconds behind the partition's clock} of each late fact that is at home here, one after another}.
-- A row is {place among the definitions' numbers, number} pairs, packed, of what differs from entities never seen; behind
-- the numbers' places stand the other partitions' fences as they were then.
--
-- An entity's value: {its columns, its tiles, its rolls}.
-- Columns: those of its kind that hold anything, a byte each, in order, summed ones first. The others have no room.
-- Tiles: second, sum 1, ..., sum k, kept 1, ..., kept o, second, ..., oldest first. A tile holds one hop: the second of
-- the earliest fact in it; of each summed column the total of this and all older tiles, so that a window is a difference
-- of two tiles; of each kept column this tile's smallest, largest, last or earliest value, -1 for none. The newest tile's second is
-- the entity's clock.
-- Rolls: the length of each, then of each member, second last seen, ..., by second and then member, at most DISTINCT.

local call, pack, unpack_, next_of = redis.call, cmsgpack.pack, cmsgpack.unpack, cmsgpack.unpack_limit
local unpack, max, min, floor, byte, char, pack_row = unpack, math.max, math.min, math.floor, string.byte, string.char, struct.pack
local server, partition, previous, committed, last, newest, sources = unpack(unpack_(ARGV[1]))
local kinds = ARGV[2]

if server ~= '' and server ~= string.match(call('INFO', 'replication'), 'master_replid:(%x+)') then
  return redis.error_reply('RESTARTED')
end

local stored, fields = {}, call('HGETALL', KEYS[1])
for n = 1, #fields, 2 do stored[fields[n]] = fields[n + 1] end
local fence, clock = tonumber(stored[partition] or -1), tonumber(stored['clock:' .. partition] or 0)
if previous > fence then return redis.error_reply('GAP ' .. fence) end
if stored.definitions ~= DEFINITIONS then return redis.error_reply('FOREIGN ' .. (stored.definitions or 'none')) end

local memo_minute, memo
local function bounds(minute)  -- where each window begins, as of a minute; at 0 where all of them end
  if minute ~= memo_minute then
    memo_minute, memo = minute, {[0] = minute}
    for w = 1, #WIDTHS do memo[w] = minute - minute % HOPS[w] - WIDTHS[w] end
  end
  return memo
end

local function keep(how, kept, value)  -- 1 and 4: the smallest, 2 and 3: the largest; -1 is none
  if value == -1 then return kept end
  if kept == -1 then return value end
  if how % 3 == 1 then return value < kept and value or kept end
  return value > kept and value or kept
end

local changes, wanted_of, shapes = {}, {}, {}
local function changes_of(class)  -- of each kind of entity: {column, how, ...}, {roll, ...}
  if not changes[class] then changes[class] = CHANGES[class]() end
  return changes[class]
end

local function wanted(kind)  -- places in the row, -1 of what is not asked for: by window and column, the age, by roll
  if not wanted_of[kind] then wanted_of[kind] = WANTED[kind]() end
  return unpack(wanted_of[kind])
end

local function shape_of(kind, header)  -- how the tiles with these columns are laid out; equal ones are one table
  local of_kind = shapes[kind] or {}
  shapes[kind] = of_kind
  if not of_kind[header] then
    local shape = {kind = kind, header = header, columns = {byte(header, 1, -1)}, at = {}, sums = 0, kept = {}}
    shape.moves = {}
    for n, column in ipairs(shape.columns) do
      shape.at[column] = n
      if column <= SUMS[kind] then shape.sums = n else shape.kept[n - shape.sums] = KEPT[kind][column - SUMS[kind]] end
    end
    of_kind[header] = shape
  end
  return of_kind[header]
end

local function reshaped(tiles, old, new)  -- the same tiles with columns more or fewer
  local result, width = {}, 1 + #new.columns
  for t = 0, #tiles / (1 + #old.columns) - 1 do
    local from, to = t * (1 + #old.columns) + 1, t * width + 1
    result[to] = tiles[from]
    for n, column in ipairs(new.columns) do
      local at = old.at[column]
      result[to + n] = at and tiles[from + at] or n <= new.sums and 0 or -1
    end
  end
  return result
end

-- What a fact of a class needs and changes: the shape with its columns, {place, how, ...} of sums and of what is kept.
local function moves_of(shape, class)
  if shape.moves[class] then return unpack(shape.moves[class]) end
  local changed, there, columns, adds, keeps = changes_of(class)[shape.kind][1], {}, {}, {}, {}
  for _, column in ipairs(shape.columns) do there[column] = true end
  for n = 1, #changed, 2 do there[changed[n]] = true end
  for column in pairs(there) do columns[#columns + 1] = column end
  table.sort(columns)
  local grown = shape_of(shape.kind, char(unpack(columns)))
  for n = 1, #changed, 2 do
    local at = grown.at[changed[n]]
    local to = at <= grown.sums and adds or keeps
    to[#to + 1], to[#to + 2] = at, changed[n + 1]
  end
  shape.moves[class] = {grown, adds, keeps}
  return grown, adds, keeps
end

local counts, values, forgotten = {}, {}, {}
local function read_roll(rolls, before, length, member, from, places, row, n)  -- of the values behind `before`
  local i, count, found, windows = before + length - 1, 0, 1, #from
  for w = 1, windows do
    while i > before and rolls[i + 1] >= from[w] do
      if rolls[i] == member then found = 0 end
      count, i = count + 1, i - 2
    end
    counts[w] = count
  end
  if member == 0 or found == 1 and count == DISTINCT then found = -1 end
  for w = 1, windows do
    if places[w] >= 0 and counts[w] > 0 then row[n + 1], row[n + 2], n = places[w], counts[w], n + 2 end
  end
  if places[windows + 1] >= 0 and found < 1 then row[n + 1], row[n + 2], n = places[windows + 1], found, n + 2 end
  return n
end

-- Writes what is wanted of an entity behind the row's place n, and returns its new end. Members follow the entity's key.
local function read(entity, second, named, key, row, n)
  local shape, tiles, rolls, minute = entity.shape, entity.tiles, entity.rolls, second - second % 60
  local k, kept, columns = shape.sums, shape.kept, shape.columns
  local o = #kept
  local step, top = 1 + k + o, #tiles - k - o
  if top > 0 then
    local clock = tiles[top]
    minute = max(minute, clock - clock % 60 - LATENESS)
    while top > 0 and tiles[top] >= minute + 60 do top = top - step end
  end
  local i, from, by_window, age, by_roll = top, bounds(minute), wanted(shape.kind)
  for j = 1, o do values[j] = -1 end
  for w = 1, top > 0 and #from or 0 do
    local begin, places = from[w], by_window[w]
    while i > 0 and tiles[i] >= begin do
      for j = 1, o do values[j] = keep(kept[j], values[j], tiles[i + k + j]) end
      i = i - step
    end
    for j = 1, i < top and k or 0 do
      local place, value = places[columns[j]], tiles[top + j]
      if i > 0 then value = value - tiles[i + j] end
      if place >= 0 and value ~= 0 then row[n + 1], row[n + 2], n = place, value, n + 2 end
    end
    for j = 1, o do
      local place, value = places[columns[k + j]], values[j]
      if place >= 0 and value ~= -1 then
        row[n + 1], row[n + 2], n = place, kept[j] > 2 and max(0, second - value) or value, n + 2
      end
    end
  end
  if age >= 0 and i < top and tiles[i + step] < second then
    row[n + 1], row[n + 2], n = age, second - tiles[i + step], n + 2
  end
  local before = #by_roll
  for r = 1, #by_roll do
    local length, member, places = rolls[r], named[key + r], by_roll[r]
    if length > 0 or member == 0 and places[#from + 1] >= 0 then  -- else it is as of one never seen
      n = read_roll(rolls, before, length, member, from, places, row, n)
      before = before + length
    end
  end
  return n
end

local function add(entity, class, second, amounts, latest)
  local shape, adds, keeps = moves_of(entity.shape, class)
  if shape ~= entity.shape then
    entity.tiles, entity.shape, entity.grown = reshaped(entity.tiles, entity.shape, shape), shape, true
  end
  local tiles, step, minute = entity.tiles, 1 + #shape.columns, second - second % 60
  local n = #tiles
  local i = n - step + 1
  while i > 0 and tiles[i] >= minute + 60 do i = i - step end
  if i <= 0 or tiles[i] < minute then
    for j = n, i + step, -1 do tiles[j + step] = tiles[j] end
    tiles[i + step] = second
    for j = 1, shape.sums do tiles[i + step + j] = i > 0 and tiles[i + j] or 0 end
    for j = shape.sums + 1, step - 1 do tiles[i + step + j] = -1 end
    i, n = i + step, n + step
  elseif second < tiles[i] then
    tiles[i] = second
  end
  for a = 1, #adds, 2 do
    local amount = amounts[adds[a + 1]]
    for t = i + adds[a], n, step do tiles[t] = tiles[t] + amount end
  end
  for a = 1, #keeps, 2 do
    local at, how = i + keeps[a], keeps[a + 1]
    tiles[at] = keep(how, tiles[at], latest[how])
  end
end

local function meet(rolls, count, r, member, second)  -- a member of the r-th of so many rolls, seen at a second
  local before = count
  for q = 1, r - 1 do before = before + rolls[q] end
  local length, i = rolls[r], before + rolls[r] - 1
  while i > before and rolls[i] ~= member do i = i - 2 end
  if i > before and second <= rolls[i + 1] then return end
  if i <= before and length == 2 * DISTINCT then  -- the longest unseen makes room, unless this one is
    i = before + 1
    if second < rolls[i + 1] or second == rolls[i + 1] and member < rolls[i] then return end
  elseif i <= before then
    i = before + length + 1
    for j = #rolls, i, -1 do rolls[j + 2] = rolls[j] end
    length = length + 2
    rolls[r] = length
    while i > before + 1 and (rolls[i - 1] > second or rolls[i - 1] == second and rolls[i - 2] > member) do
      rolls[i], rolls[i + 1] = rolls[i - 2], rolls[i - 1]
      i = i - 2
    end
  end
  while i + 2 < before + length and (rolls[i + 3] < second or rolls[i + 3] == second and rolls[i + 2] < member) do
    rolls[i], rolls[i + 1] = rolls[i + 2], rolls[i + 3]
    i = i + 2
  end
  rolls[i], rolls[i + 1] = member, second
end

local function forget(rolls, count, begin)  -- whom no window can see any more
  local from, to, n = count, count, #rolls
  for r = 1, count do
    local drop, length = 0, rolls[r]
    while drop < length and rolls[from + drop + 2] < begin do drop = drop + 2 end
    if to < from or drop > 0 then
      for i = 1, length - drop do rolls[to + i] = rolls[from + drop + i] end
      rolls[r] = length - drop
    end
    from, to = from + length, to + rolls[r]
  end
  for i = to + 1, n do rolls[i] = nil end
end

local function hop_of(second, from)  -- the start of the coarsest hop that no window can look into any more
  local start = second - second % 60
  for w = 1, #from do
    local coarser = second - second % HOPS[w]
    if coarser + HOPS[w] > from[w - 1] then break end
    start = coarser
  end
  return start
end

local function holds(shape, tiles, n)  -- whether the n-th of its columns has anything in these tiles
  local step = 1 + #shape.columns
  if n <= shape.sums then return tiles[#tiles - step + 1 + n] > 0 end
  for t = 1 + n, #tiles, step do
    if tiles[t] ~= -1 then return true end
  end
  return false
end

local function without_empty(shape, tiles)
  local columns = {}
  for n, column in ipairs(shape.columns) do
    if holds(shape, tiles, n) then columns[#columns + 1] = column end
  end
  return #columns == #shape.columns and shape or shape_of(shape.kind, char(unpack(columns)))
end

local function merge(shape, tiles, from)  -- true if anything is forgotten
  local k, kept, n = shape.sums, shape.kept, #tiles
  local o = #kept
  local step, first = 1 + k + o, 1
  if n == step then return false end
  while tiles[first] < from[#from] do first = first + step end
  for j = 1, k do forgotten[j] = first > 1 and tiles[first - step + j] or 0 end
  local i, current = 1 - step, nil
  for t = first, n, step do
    local hop = hop_of(tiles[t], from)
    if hop ~= current then
      i, current = i + step, hop
      tiles[i] = tiles[t]
      for j = k + 1, k + o do tiles[i + j] = tiles[t + j] end
    else
      for j = 1, o do tiles[i + k + j] = keep(kept[j], tiles[i + k + j], tiles[t + k + j]) end
    end
    if t > i or first > 1 then
      for j = 1, k do tiles[i + j] = tiles[t + j] - forgotten[j] end
    end
  end
  for j = n, i + step, -1 do tiles[j] = nil end
  return first > 1
end

-- Merges and forgets all that no read can tell apart: so the bytes depend on which facts were applied, not on when.
local function compact(entity)
  local clock = entity.tiles[#entity.tiles - #entity.shape.columns]
  local from = bounds(clock - clock % 60 - LATENESS)
  local forgot = merge(entity.shape, entity.tiles, from)
  forget(entity.rolls, ROLLS[entity.shape.kind], from[#from])
  if not forgot and not entity.grown then return end  -- what held something still does
  local used = without_empty(entity.shape, entity.tiles)
  if used ~= entity.shape then
    entity.tiles, entity.shape = reshaped(entity.tiles, entity.shape, used), used
  end
end

local function array_of(at, ...) return {...}, at end

-- The array at a place, and where it ends: by its values, since unpacked as a table it grows, and costs thrice as much.
local function array_at(raw, at)
  local first = byte(raw, at + 1)
  if first < 0xdc then return array_of(next_of(raw, first - 0x90, at + 1)) end
  return array_of(next_of(raw, 256 * byte(raw, at + 2) + byte(raw, at + 3), at + 3))
end

local entities, no_rolls = {}, {}
for r = 1, 255 do no_rolls[r] = 0 end

local function load(key)
  local raw, kind = call('GET', KEYS[key + 2]), byte(kinds, key)
  local entity = {shape = false, tiles = false, rolls = false, day = -1, grown = false}
  if raw then
    local at, header = next_of(raw, 1, 1)
    entity.shape = shape_of(kind, header)
    entity.tiles, at = array_at(raw, at)
    entity.rolls = array_at(raw, at)
    local clock = entity.tiles[#entity.tiles - #entity.shape.columns]
    entity.day = clock - clock % 86400
  else
    entity.shape, entity.tiles, entity.rolls = shape_of(kind, ''), {}, {unpack(no_rolls, 1, ROLLS[kind])}
  end
  entities[key] = entity
  return entity
end

local function kept_answers()
  local rows, behind, stored = {}, {}, call('HVALS', KEYS[2])
  for _, value in ipairs(stored) do
    local offsets, kept, late = unpack(unpack_(value))
    for j, offset in ipairs(offsets) do rows[offset] = kept[j] end
    for j = 1, #late, 2 do behind[late[j]] = late[j + 1] end
  end
  return {rows = rows, behind = behind}
end

local formats = {}
local function pairs_of(n)  -- how a row of n values is packed
  if not formats[n] then formats[n] = '<' .. string.rep('Hd', n / 2) end
  return formats[n]
end

local renewed = {}
local function is_repeat(set, event)  -- whether the event is in another record already; remembers it
  if call('SADD', KEYS[set + 2], event) == 0 then return true end
  renewed[set] = true
  return false
end

local seen = {}
for j, field in ipairs(sources) do seen[j] = tonumber(stored[field] or -1) end

local rows, late, asked, applied, repeats = {}, {}, 0, 0, 0
local new_offsets, new_rows, new_late, kept, row = {}, {}, {}, nil, {}
for field, value in pairs(stored) do
  local other = field ~= partition and tonumber(field)
  if other then row[#row + 1], row[#row + 2] = NUMBERS + other, tonumber(value) end
end
local others = #row
local function tell(to, offset, behind) to[#to + 1], to[#to + 2] = offset, behind end
local amounts, latest = {1, 0, 0, 0, 0}, {0, 0, 0}
local at = tonumber(ARGV[4])
while at > 0 do
  local offset, source, source_offset, class, second, amount, units, home, event, set, latest_second, follow
  at, offset, source, source_offset, class, second, amount, units, home, event, set, latest_second, follow =
    next_of(ARGV[3], 12, at)
  local named = follow > 0 and {next_of(ARGV[3], follow, at)} or {at}
  at = named[1]
  local wanted, answer, filled, now = class <= ORDERS and offset >= committed, false, others, max(clock, latest_second)
  if offset <= fence then
    kept = kept or kept_answers()
    answer = wanted and kept.rows[offset] or false
    if kept.behind[offset] and offset >= committed then tell(late, offset, kept.behind[offset]) end
  elseif source_offset <= seen[source] then
    repeats = repeats + home
  elseif set > 0 and second >= now - REPEATED and is_repeat(set, event) then
    seen[source], repeats = source_offset, repeats + home
  else
    seen[source], applied = source_offset, applied + home
    if second < now - now % 60 - LATENESS and home == 1 and class > 0 and offset >= committed then
      tell(late, offset, now - second)
      tell(new_late, offset, now - second)
    end
    latest[1], latest[2], latest[3], latest[4] = amount, amount, second, second
    amount = max(amount, 0)
    local dollars = min(floor(amount / 100 + 0.5), MOST_DOLLARS)
    amounts[2], amounts[3], amounts[4], amounts[5] = amount, dollars, dollars * dollars, units
    local i = 2
    while i <= 1 + follow do
      local entity = entities[named[i]] or load(named[i])
      local kind = entity.shape.kind
      local count, meets = ROLLS[kind], changes_of(class)[kind][2]
      if wanted then filled = read(entity, second, named, i, row, filled) end
      add(entity, class, second, amounts, latest)
      for m = 1, #meets do
        local member = named[i + meets[m]]
        if member ~= 0 then meet(entity.rolls, count, meets[m], member, second) end
      end
      i = i + 1 + count
    end
    if wanted then
      answer = pack_row(pairs_of(filled), unpack(row, 1, filled))
      new_offsets[#new_offsets + 1], new_rows[#new_rows + 1] = offset, answer
    end
  end
  if class <= ORDERS then
    asked = asked + 1
    rows[asked] = answer
  end
end

for set in pairs(renewed) do call('EXPIRE', KEYS[set + 2], REMEMBERED) end
for key, entity in pairs(entities) do
  compact(entity)
  local clock = entity.tiles[#entity.tiles - #entity.shape.columns]
  local value = pack({entity.shape.header, entity.tiles, entity.rolls})
  -- SET with KEEPTTL costs half of SET with EX.
  if entity.day == clock - clock % 86400 then call('SET', KEYS[key + 2], value, 'KEEPTTL')
  else call('SET', KEYS[key + 2], value, 'EX', TTL) end
end
if last > fence then
  call('HSET', KEYS[1], partition, last, 'clock:' .. partition, max(clock, newest))
  for j, field in ipairs(sources) do call('HSET', KEYS[1], field, seen[j]) end
end
if #new_rows + #new_late > 0 then
  local newest_kept = max(new_offsets[#new_offsets] or 0, new_late[#new_late - 1] or 0)
  call('HSET', KEYS[2], newest_kept, pack({new_offsets, new_rows, new_late}))
end
for _, field in ipairs(call('HKEYS', KEYS[2])) do
  if tonumber(field) < committed then call('HDEL', KEYS[2], field) end
end
return {rows, applied, repeats, late}
