-- Applies one chunk of facts to one shard: for each fact in offset order, read its entities' windows, then update them.
-- docs/features-semantics.md defines the numbers. The constants in capitals are written before this text.
--
-- KEYS: the fences, the outbox of the facts partition, then one entity's tiles each.
-- ARGV[1]: {the only server that may apply it, or '', partition, previous offset, committed offset, last offset, latest second, fields of the sources' fences,
--   the kind of each key (0: of a set of event ids), {offset, source, source's offset, class, second, amount, at home?,
--   event, the key of its set or 0, latest second of the chunk up to it, touches, {key, member of each roll or 0...}...}...}
-- Answer: {rows of the facts that asked for one, false where there is none; facts applied here; repeats dropped here;
--   {offset, seconds behind the partition's clock} of each late fact that is at home here, one after another}.
--
-- An entity's value: its tiles, then its rolls.
-- Tiles: {second, sum 1, ..., sum k, kept 1, ..., kept o, second, ...}, oldest first. A tile holds one hop: the second of
-- the earliest fact in it; of each summed column the total of this and all older tiles, so that a window is a difference
-- of two tiles; of each kept column this tile's smallest, largest or last value, -1 for none. The newest tile's second is
-- the entity's clock.
-- A roll: {member, second last seen, ...}, by second and then member, at most DISTINCT of them.

local call, pack, unpack_, pack_row = redis.call, cmsgpack.pack, cmsgpack.unpack, struct.pack
local server, partition, previous, committed, last, newest, sources, kinds, facts = unpack(unpack_(ARGV[1]))

if server ~= '' and server ~= string.match(call('INFO', 'replication'), 'master_replid:(%x+)') then
  return redis.error_reply('RESTARTED')
end

local head = call('HMGET', KEYS[1], 'definitions', partition, 'clock:' .. partition)
local fence, clock = tonumber(head[2] or -1), tonumber(head[3] or 0)
if previous > fence then return redis.error_reply('GAP ' .. fence) end
if head[1] ~= DEFINITIONS then return redis.error_reply('FOREIGN ' .. (head[1] or 'none')) end

local memo_minute, memo
local function bounds(minute)  -- where each window begins, as of a minute
  if minute ~= memo_minute then
    memo_minute, memo = minute, {}
    for w = 1, #WIDTHS do memo[w] = minute - minute % HOPS[w] - WIDTHS[w] end
  end
  return memo
end

local function keep(how, kept, value)  -- 1: the smallest, else the largest; -1 is none
  if kept < 0 or how == 1 and value >= 0 and value < kept or how > 1 and value > kept then return value end
  return kept
end

local wanted_of = {}
local function wanted(kind)  -- what is read of an entity: by window, whether the age, by roll
  if not wanted_of[kind] then wanted_of[kind] = WANTED[kind]() end
  return unpack(wanted_of[kind])
end

local counts = {}
local function read_roll(roll, member, from, shown, row, at)
  local i, count, found = #roll - 1, 0, 1
  for w = 1, #from do
    while i > 0 and roll[i + 1] >= from[w] do
      if roll[i] == member then found = 0 end
      count, i = count + 1, i - 2
    end
    counts[w] = count
  end
  if member == 0 or found == 1 and count == DISTINCT then found = -1 end
  counts[#from + 1] = found
  for n = 1, #shown do row[at + n] = counts[shown[n]] end
  return at + #shown
end

-- Writes what is wanted into the row behind `at`, and returns its new end; the members are the facts' behind `members`.
local function read(tiles, rolls, kind, second, members, row, at)
  local k, kept, minute = SUMS[kind], KEPT[kind], second - second % 60
  local o = #kept
  local step, top = 1 + k + o, #tiles - k - o
  if top > 0 then
    local clock = tiles[top]
    minute = math.max(minute, clock - clock % 60 - LATENESS)
    while top > 0 and tiles[top] >= minute + 60 do top = top - step end
  end
  local i, from, values, by_window, age, by_roll = top, bounds(minute), {}, wanted(kind)
  for j = 1, o do values[j] = -1 end
  for w = 1, #from do
    local begin, sums, keeps = from[w], by_window[w][1], by_window[w][2]
    while i > 0 and tiles[i] >= begin do
      for j = 1, o do values[j] = keep(kept[j], values[j], tiles[i + k + j]) end
      i = i - step
    end
    if i == top then for n = 1, #sums do row[at + n] = 0 end
    elseif i <= 0 then for n = 1, #sums do row[at + n] = tiles[top + sums[n]] end
    else for n = 1, #sums do row[at + n] = tiles[top + sums[n]] - tiles[i + sums[n]] end end
    at = at + #sums
    for n = 1, #keeps do
      local how, value = kept[keeps[n]], values[keeps[n]]
      row[at + n] = how == 3 and value >= 0 and math.max(0, second - value) or value
    end
    at = at + #keeps
  end
  if age then
    at = at + 1
    row[at] = i < top and math.max(0, second - tiles[i + step]) or 0
  end
  for r = 1, ROLLS[kind] do at = read_roll(rolls[r], facts[members + r], from, by_roll[r], row, at) end
  return at
end

local function add(tiles, kind, adds, keeps, second, amounts, latest)
  local k, n, minute = SUMS[kind], #tiles, second - second % 60
  local o = #KEPT[kind]
  local step, i = 1 + k + o, n - k - o
  while i > 0 and tiles[i] >= minute + 60 do i = i - step end
  if i <= 0 or tiles[i] < minute then
    for j = n, i + step, -1 do tiles[j + step] = tiles[j] end
    tiles[i + step] = second
    for j = i + 1, i + k do tiles[j + step] = i > 0 and tiles[j] or 0 end
    for j = i + k + 1, i + k + o do tiles[j + step] = -1 end
    i, n = i + step, n + step
  elseif second < tiles[i] then
    tiles[i] = second
  end
  for a = 1, #adds, 2 do
    local column, amount = adds[a], amounts[adds[a + 1]]
    for t = i + column, n, step do tiles[t] = tiles[t] + amount end
  end
  for a = 1, #keeps, 2 do
    local at, how = i + k + keeps[a], keeps[a + 1]
    tiles[at] = keep(how, tiles[at], latest[how])
  end
end

local function meet(roll, member, second)  -- a member, seen at a second
  local n = #roll
  local i = n - 1
  while i > 0 and roll[i] ~= member do i = i - 2 end
  if i > 0 and second <= roll[i + 1] then return end
  if i <= 0 and n == 2 * DISTINCT then  -- the longest unseen makes room, unless this one is
    if second < roll[2] or second == roll[2] and member < roll[1] then return end
    i = 1
  elseif i <= 0 then
    i = n + 1
    while i > 1 and (roll[i - 1] > second or roll[i - 1] == second and roll[i - 2] > member) do
      roll[i], roll[i + 1] = roll[i - 2], roll[i - 1]
      i = i - 2
    end
  end
  while i + 2 < n and (roll[i + 3] < second or roll[i + 3] == second and roll[i + 2] < member) do
    roll[i], roll[i + 1] = roll[i + 2], roll[i + 3]
    i = i + 2
  end
  roll[i], roll[i + 1] = member, second
end

local function forget(roll, begin)  -- whom no window can see any more
  local drop, n = 0, #roll
  while drop < n and roll[drop + 2] < begin do drop = drop + 2 end
  if drop > 0 then for j = 1, n do roll[j] = roll[j + drop] end end
end

local function hop_of(second, from)  -- the start of the coarsest hop that no window can look into any more
  local start = second - second % 60
  for w = 2, #from do
    local coarser = second - second % HOPS[w]
    if coarser + HOPS[w] > from[w - 1] then break end
    start = coarser
  end
  return start
end

-- Merges and forgets all that no read can tell apart: so the bytes depend on which facts were applied, not on when.
local function compact(tiles, rolls, kind)
  local k, kept, n = SUMS[kind], KEPT[kind], #tiles
  local o = #kept
  local step, clock = 1 + k + o, tiles[n - k - o]
  local from = bounds(clock - clock % 60 - LATENESS)
  local first, forgotten = 1, {}
  while tiles[first] < from[#from] do first = first + step end
  for j = 1, k do forgotten[j] = first > 1 and tiles[first - step + j] or 0 end
  for r = 1, #rolls do forget(rolls[r], from[#from]) end
  if n == step then return end
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
end

local cache, rolls_of, day = {}, {}, {}
local function load(key)
  local raw, kind, tiles = call('GET', KEYS[key + 2]), kinds[key], {}
  local rolls = raw and {unpack_(raw)} or {}
  if raw then
    tiles = table.remove(rolls, 1)
    local clock = tiles[#tiles - SUMS[kind] - #KEPT[kind]]
    day[key] = clock - clock % 86400
  end
  for r = #rolls + 1, ROLLS[kind] do rolls[r] = {} end
  cache[key], rolls_of[key] = tiles, rolls
  return tiles
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

local changes = {}
local function changes_of(class)  -- of each kind of entity
  if not changes[class] then changes[class] = CHANGES[class]() end
  return changes[class]
end

local renewed = {}
local function is_repeat(set, event)  -- whether the event is in another record already; remembers it
  if call('SADD', KEYS[set + 2], event) == 0 then return true end
  renewed[set] = true
  return false
end

local seen = {}
for j, field in ipairs(sources) do seen[j] = tonumber(call('HGET', KEYS[1], field) or -1) end

local rows, late, asked, applied, repeats = {}, {}, 0, 0, 0
local new_offsets, new_rows, new_late, kept, row = {}, {}, {}, nil, {}
local function tell(to, offset, behind) to[#to + 1], to[#to + 2] = offset, behind end
local amounts, latest = {1, 0, 0, 0}, {0, 0, 0}
local i, n = 1, #facts
while i <= n do
  local offset, source, source_offset, class, second, amount, home, event, set, latest_second, touches = unpack(facts, i, i + 10)
  local wanted, answer, at, now = class <= ORDERS and offset >= committed, false, 0, math.max(clock, latest_second)
  local behind = i + 11
  for _ = 1, touches do behind = behind + 1 + ROLLS[kinds[facts[behind]]] end
  i = i + 11
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
    latest[1], latest[2], latest[3] = amount, amount, second
    amount = math.max(amount, 0)
    local dollars = math.floor(amount / 100 + 0.5)
    amounts[2], amounts[3], amounts[4] = amount, dollars, dollars * dollars
    while i < behind do
      local key = facts[i]
      local kind, tiles = kinds[key], cache[key] or load(key)
      local rolls, adds, keeps, meets = rolls_of[key], unpack(changes_of(class)[kind])
      if wanted then at = read(tiles, rolls, kind, second, i, row, at) end
      add(tiles, kind, adds, keeps, second, amounts, latest)
      for m = 1, #meets do
        local member = facts[i + meets[m]]
        if member ~= 0 then meet(rolls[meets[m]], member, second) end
      end
      i = i + 1 + ROLLS[kind]
    end
    if wanted then
      answer = at > 0 and pack_row('<' .. string.rep('d', at), unpack(row, 1, at)) or ''
      new_offsets[#new_offsets + 1], new_rows[#new_rows + 1] = offset, answer
    end
  end
  i = behind
  if class <= ORDERS then
    asked = asked + 1
    rows[asked] = answer
  end
end

for set in pairs(renewed) do call('EXPIRE', KEYS[set + 2], REMEMBERED) end
for key, tiles in pairs(cache) do
  local kind, rolls = kinds[key], rolls_of[key]
  compact(tiles, rolls, kind)
  local clock = tiles[#tiles - SUMS[kind] - #KEPT[kind]]
  -- SET with KEEPTTL costs half of SET with EX.
  if day[key] == clock - clock % 86400 then call('SET', KEYS[key + 2], pack(tiles, unpack(rolls)), 'KEEPTTL')
  else call('SET', KEYS[key + 2], pack(tiles, unpack(rolls)), 'EX', TTL) end
end
if last > fence then
  call('HSET', KEYS[1], partition, last, 'clock:' .. partition, math.max(clock, newest))
  for j, field in ipairs(sources) do call('HSET', KEYS[1], field, seen[j]) end
end
if #new_rows + #new_late > 0 then
  local newest_kept = math.max(new_offsets[#new_offsets] or 0, new_late[#new_late - 1] or 0)
  call('HSET', KEYS[2], newest_kept, pack({new_offsets, new_rows, new_late}))
end
for _, field in ipairs(call('HKEYS', KEYS[2])) do
  if tonumber(field) < committed then call('HDEL', KEYS[2], field) end
end
return {rows, applied, repeats, late}
