-- Applies one chunk of facts to one shard: for each fact in offset order, read its entities' windows, then update them.
-- docs/features-semantics.md defines the numbers. The constants in capitals are written before this text.
--
-- KEYS: the fences, the outbox of the facts partition, then one entity's tiles each.
-- ARGV[1]: {the only server that may apply it, or '', partition, previous offset, committed offset, last offset, fields of the sources' fences,
--   the kind of each entity key, {offset, source, source's offset, class, second, amount, at home?, touches, key...}...}
-- Answer: {rows of the facts that asked for one, false where there is none; facts applied here; repeats dropped here}.
--
-- An entity's tiles: {second, column 1, ..., column k, second, ...}, oldest first. A tile holds one hop: the second of
-- the earliest fact in it, and for each column the total of this and all older tiles, so that a window is a difference
-- of two tiles. The newest tile's second is the entity's clock.

local call, pack, unpack_, pack_row = redis.call, cmsgpack.pack, cmsgpack.unpack, struct.pack
local server, partition, previous, committed, last, sources, kinds, facts = unpack(unpack_(ARGV[1]))

if server ~= '' and server ~= string.match(call('INFO', 'server'), 'run_id:(%x+)') then
  return redis.error_reply('RESTARTED')
end

local head = call('HMGET', KEYS[1], 'definitions', partition)
local fence = tonumber(head[2] or -1)
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

local function read(tiles, kind, second, row, at)  -- writes into the row behind `at`; returns its new end
  local k, minute = COLUMNS[kind], second - second % 60
  local step, top = k + 1, #tiles - k
  if top > 0 then
    local clock = tiles[top]
    minute = math.max(minute, clock - clock % 60 - LATENESS)
    while top > 0 and tiles[top] >= minute + 60 do top = top - step end
  end
  local i, from = top, bounds(minute)
  for w = 1, #from do
    local begin = from[w]
    while i > 0 and tiles[i] >= begin do i = i - step end
    if i == top then for j = 1, k do row[at + j] = 0 end
    elseif i <= 0 then for j = 1, k do row[at + j] = tiles[top + j] end
    else for j = 1, k do row[at + j] = tiles[top + j] - tiles[i + j] end end
    at = at + k
  end
  row[at + 1] = i < top and math.max(0, second - tiles[i + step]) or 0
  return at + 1
end

local function add(tiles, kind, class, second, amount)
  local k, n, minute = COLUMNS[kind], #tiles, second - second % 60
  local step, i = k + 1, n - k
  while i > 0 and tiles[i] >= minute + 60 do i = i - step end
  if i <= 0 or tiles[i] < minute then
    for j = n, i + step, -1 do tiles[j + step] = tiles[j] end
    tiles[i + step] = second
    for j = i + 1, i + k do tiles[j + step] = i > 0 and tiles[j] or 0 end
    i, n = i + step, n + step
  elseif second < tiles[i] then
    tiles[i] = second
  end
  local count, sum = COUNT[kind][class], SUM[kind][class]
  for t = i, n, step do
    if count then tiles[t + count] = tiles[t + count] + 1 end
    if sum then tiles[t + sum] = tiles[t + sum] + amount end
  end
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
local function compact(tiles, kind)
  local k, n = COLUMNS[kind], #tiles
  local step, clock = k + 1, tiles[n - k]
  local from = bounds(clock - clock % 60 - LATENESS)
  local first, forgotten = 1, {}
  while tiles[first] < from[#from] do first = first + step end
  for j = 1, k do forgotten[j] = first > 1 and tiles[first - step + j] or 0 end
  local i, current = -k, nil
  for t = first, n, step do
    local hop = hop_of(tiles[t], from)
    if hop ~= current then
      i, current = i + step, hop
      tiles[i] = tiles[t]
    end
    if t > i or first > 1 then
      for j = 1, k do tiles[i + j] = tiles[t + j] - forgotten[j] end
    end
  end
  for j = n, i + step, -1 do tiles[j] = nil end
end

local cache, day = {}, {}
local function load(key)
  local raw = call('GET', KEYS[key + 2])
  local tiles = raw and unpack_(raw) or {}
  cache[key] = tiles
  if raw then
    local clock = tiles[#tiles - COLUMNS[kinds[key]]]
    day[key] = clock - clock % 86400
  end
  return tiles
end

local function kept_rows()
  local rows, stored = {}, call('HVALS', KEYS[2])
  for _, value in ipairs(stored) do
    local offsets, kept = unpack(unpack_(value))
    for j, offset in ipairs(offsets) do rows[offset] = kept[j] end
  end
  return rows
end

local seen = {}
for j, field in ipairs(sources) do seen[j] = tonumber(call('HGET', KEYS[1], field) or -1) end

local rows, asked, applied, repeats = {}, 0, 0, 0
local new_offsets, new_rows, kept, row = {}, {}, nil, {}
local i, n = 1, #facts
while i <= n do
  local offset, source, source_offset, class, second, amount, home, touches = unpack(facts, i, i + 7)
  local wanted, answer, at = class <= ORDERS and offset >= committed, false, 0
  i = i + 8
  if offset <= fence then
    kept = kept or kept_rows()
    answer = wanted and kept[offset] or false
  elseif source_offset <= seen[source] then
    repeats = repeats + home
  else
    seen[source], applied = source_offset, applied + home
    for j = i, i + touches - 1 do
      local key = facts[j]
      local kind, tiles = kinds[key], cache[key] or load(key)
      if wanted then at = read(tiles, kind, second, row, at) end
      add(tiles, kind, class, second, amount)
    end
    if wanted then
      answer = at > 0 and pack_row('<' .. string.rep('d', at), unpack(row, 1, at)) or ''
      new_offsets[#new_offsets + 1], new_rows[#new_rows + 1] = offset, answer
    end
  end
  i = i + touches
  if class <= ORDERS then
    asked = asked + 1
    rows[asked] = answer
  end
end

for key, tiles in pairs(cache) do
  local k = COLUMNS[kinds[key]]
  if #tiles > k + 1 then compact(tiles, kinds[key]) end
  local clock = tiles[#tiles - k]
  -- SET with KEEPTTL costs half of SET with EX.
  if day[key] == clock - clock % 86400 then call('SET', KEYS[key + 2], pack(tiles), 'KEEPTTL')
  else call('SET', KEYS[key + 2], pack(tiles), 'EX', TTL) end
end
if last > fence then
  call('HSET', KEYS[1], partition, last)
  for j, field in ipairs(sources) do call('HSET', KEYS[1], field, seen[j]) end
end
if #new_rows > 0 then call('HSET', KEYS[2], new_offsets[#new_offsets], pack({new_offsets, new_rows})) end
for _, field in ipairs(call('HKEYS', KEYS[2])) do
  if tonumber(field) < committed then call('HDEL', KEYS[2], field) end
end
return {rows, applied, repeats}
