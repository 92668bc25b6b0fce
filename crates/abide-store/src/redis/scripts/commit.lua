#!lua
-- One batch of commits to the objects of one part: each is applied whole or left out whole.
-- Documented in docs/format/redis.md. The order of ARGV is that of encode.rs.
local ARGV, call, format = ARGV, redis.call, string.format
local tag, channel = ARGV[1], ARGV[2]
local at = 5
local kept = 0
local epochs = {}
local known = {}
local moved, moves = {}, {}

-- How many values the commit that begins at s has, and whether it is a plain one. Most are: a state in
-- fields, one change, nothing else.
local function size(s)
  local first = ARGV[s]
  if string.byte(first, 1) == 112 then return tonumber(string.sub(first, 2)), true end
  return tonumber(first), false
end

-- The epochs of all shards of the batch.
local function read_epochs()
  local shards, s = {}, at
  while s <= #ARGV do
    local shard = ARGV[s + 4]
    if not epochs[shard] then
      epochs[shard] = '0'
      shards[#shards + 1] = shard
    end
    s = s + size(s)
  end
  for first = 1, #shards, 2000 do
    local last = math.min(first + 1999, #shards)
    local found = call('HMGET', tag .. ':epochs', unpack(shards, first, last))
    for i = first, last do epochs[shards[i]] = found[i - first + 1] or '0' end
  end
end

if (call('HGET', tag .. ':meta', 'indexes') or '0') ~= ARGV[3] then
  return { 'I' }
end

local function take()
  at = at + 1
  return ARGV[at - 1]
end

local function number()
  at = at + 1
  return tonumber(ARGV[at - 1])
end

-- Texts that follow one another in a member end with NUL; a NUL inside is followed by 255.
local function escaped(text)
  return (string.gsub(text, '%z', '\0\255'))
end

-- Lua's stack holds a few thousand values.
local function sliced(command, key, list)
  for first = 1, #list, 2000 do
    call(command, key, unpack(list, first, math.min(first + 1999, #list)))
  end
end

local function is_user(field)
  return string.byte(field, 1) ~= 64 or string.byte(field, 2) == 64
end

local function named(s)
  return ARGV[s + 1] .. ':' .. ARGV[s + 2] .. ':' .. ARGV[s + 3]
end

-- What stands in the way of the commit that begins at s, and what was read of its object.
local function check(s)
  local epoch = epochs[ARGV[s + 4]]
  if epoch ~= ARGV[s + 5] then
    return 'F' .. epoch
  end
  local found = call('HMGET', tag .. ':o:' .. named(s), '@head', '@floor', '@order')
  if (found[1] or '0') ~= ARGV[s + 7] then
    return 'C' .. (found[1] or '0')
  end
  return nil, found
end

local function due_set(flag)
  return tag .. (flag == '-' and ':dead' or ':due')
end

-- All fields, where there were others or none.
local function put_all(object, order, found_order, names, values, set, gone)
  local keep = {}
  for i, name in ipairs(names) do
    keep[name] = true
    set[#set + 1] = name
    set[#set + 1] = values[i]
  end
  set[#set + 1] = '@order'
  set[#set + 1] = order
  if found_order then
    for _, field in ipairs(call('HKEYS', object)) do
      if is_user(field) and not keep[field] then
        gone[#gone + 1] = field
      end
    end
  end
end

local function put_fields(object, order, found, set, gone)
  local names, values = {}, {}
  for i = 1, number() do
    names[i] = take()
    values[i] = take()
  end
  if found[3] ~= order then
    return put_all(object, order, found[3], names, values, set, gone)
  end
  for first = 1, #names, 1000 do
    local last = math.min(first + 999, #names)
    local stored = call('HMGET', object, unpack(names, first, last))
    for i = first, last do
      if stored[i - first + 1] ~= values[i] then
        set[#set + 1] = names[i]
        set[#set + 1] = values[i]
      end
    end
  end
end

local function put_whole(object, found_order, set, gone)
  set[#set + 1] = '@state'
  set[#set + 1] = take()
  if found_order then
    for _, field in ipairs(call('HKEYS', object)) do
      if is_user(field) or field == '@order' then
        gone[#gone + 1] = field
      end
    end
  end
end

-- How an object is called in a member: sorts as keys do.
local function sorted_name(s)
  return ARGV[s + 1] .. '\0' .. ARGV[s + 2] .. '\0' .. escaped(ARGV[s + 3])
end

-- Leaves a grave: what remains is written by the caller.
local function bury(s, object, kinds, id, gone)
  local all = call('HGETALL', object)
  for i = 1, #all, 2 do
    local field, value = all[i], all[i + 1]
    if is_user(field) or field == '@order' or field == '@state' then
      gone[#gone + 1] = field
    elseif string.sub(field, 1, 7) == '@alarm:' then
      local place = string.sub(value, 1, 15) .. sorted_name(s) .. '\0' .. escaped(string.sub(field, 8))
      call('ZREM', due_set(string.sub(value, 16, 16)), place)
      gone[#gone + 1] = field
    elseif string.sub(field, 1, 4) == '@ix:' then
      call('ZREM', tag .. ':x:' .. kinds .. ':' .. string.sub(field, 5), value .. id)
      gone[#gone + 1] = field
    end
  end
  call('ZREM', tag .. ':k:' .. kinds, id)
end

local function write_changes(name, head0, head, floor0, buried, set)
  local n, keep, trim = number(), take(), take()
  local floor = floor0
  if n > 0 and keep == '0' then floor = head end
  if trim ~= '' then floor = math.max(floor, tonumber(trim)) end
  if buried then floor = head end
  local old, want = head0 - floor0, head - floor
  local list, snapshots = tag .. ':c:' .. name, tag .. ':n:' .. name
  local entries, snapped = {}, false
  for i = 1, n do
    local seq, entry, snapshot = number(), take(), take()
    entries[i] = entry
    if snapshot ~= '' and seq > floor then
      call('ZADD', snapshots, seq, format('%.0f', seq) .. ':' .. snapshot)
      snapped = true
    end
  end
  if want == 0 then
    if old > 0 then call('UNLINK', list) end
  else
    sliced('RPUSH', list, entries)
    if old + n > want then call('LTRIM', list, old + n - want, -1) end
  end
  if buried then
    call('UNLINK', snapshots)
  elseif snapped then
    call('ZREMRANGEBYSCORE', snapshots, '-inf', format('%.0f', floor))
  end
  if floor ~= floor0 then
    set[#set + 1] = '@floor'
    set[#set + 1] = format('%.0f', floor)
  end
  kept = kept + want - old
  return entries
end

-- That a shard's feed moved is told once, when all is done.
local function move(shard)
  if not moved[shard] then
    moved[shard] = true
    moves[#moves + 1] = shard
  end
end

local function write_feed(s, name, head0, entries)
  if #entries == 0 then return end
  local shard = ARGV[s + 4]
  local first = format('%.0f', head0 + 1)
  local id = call('XADD', tag .. ':f:' .. shard, '0-*', 'k', name, 'a', first, 'z', ARGV[s + 8])
  if id == '0-1' then call('SADD', tag .. ':feed', shard) end
  move(shard)
  for _, entry in ipairs(entries) do
    call('PUBLISH', channel .. name, string.sub(entry, string.find(entry, ' ', 1, true) + 1))
  end
end

local function write_alarms(s, object, buried)
  for _ = 1, number() do
    local what, alarm = take(), take()
    local field, place = '@alarm:' .. alarm, sorted_name(s) .. '\0' .. escaped(alarm)
    local old = not buried and call('HGET', object, field)
    if old then
      call('ZREM', due_set(string.sub(old, 16, 16)), string.sub(old, 1, 15) .. place)
    end
    if what == 's' then
      local due, flag, json = take(), take(), take()
      if not buried then
        call('HSET', object, field, due .. flag .. json)
        call('ZADD', due_set(flag), 0, due .. place)
      end
    elseif old then
      call('HDEL', object, field)
    end
  end
end

local function write_rest(s, name)
  for _ = 1, number() do
    local member, json = take(), take()
    call('HSET', tag .. ':messages', member, json)
    call('ZADD', tag .. ':outbox', 0, member)
  end
  local received = tag .. ':r:' .. name
  for _ = 1, number() do
    local sender, n = take(), take()
    local last = call('HGET', received, sender)
    if not last or last < n then call('HSET', received, sender, n) end
  end
  for _ = 1, number() do
    local field, expires, json = take(), take(), take()
    call('HSET', tag .. ':q:' .. name, field, json)
    call('ZADD', tag .. ':expire', expires, sorted_name(s) .. '\0' .. field)
  end
end

local function write_indexes(object, kinds, id, set)
  for _ = 1, number() do
    local path, value = take(), take()
    local old = call('HGET', object, '@ix:' .. path)
    local index = tag .. ':x:' .. kinds .. ':' .. path
    if old ~= value then
      if old then call('ZREM', index, old .. id) end
      set[#set + 1] = '@ix:' .. path
      set[#set + 1] = value
    end
    call('ZADD', index, 0, value .. id)
  end
end

-- What programs of distobject see: a flat hash of strings, and a message for each update. `:d:` holds
-- what of it Abide wrote or took in last; and NUL and a field's name, where Abide wrote over what it had
-- not taken in: messages that are on their way say older things of that field.
local function write_flat(s, name, buried)
  local mode = take()
  if mode == '' then return end
  local flat, seen_key = take(), tag .. ':d:' .. name
  if mode == 'a' then
    for _ = 1, number() do
      local field, text = take(), take()
      call('HSET', seen_key, field, text)
      if call('HGET', flat, field) == text then call('HDEL', seen_key, '\0' .. field) end
    end
    return
  end
  local out, seen, there, parts = take(), {}, {}, {}
  if call('EXISTS', flat) == 1 then
    local all = call('HGETALL', seen_key)
    for i = 1, #all, 2 do seen[all[i]] = all[i + 1] end
  end
  for _ = 1, number() do
    local field, text = take(), take()
    there[field] = true
    if seen[field] ~= text then
      if (call('HGET', flat, field) or nil) ~= seen[field] then call('HSET', seen_key, '\0' .. field, '') end
      call('HSET', flat, field, text)
      call('HSET', seen_key, field, text)
      parts[#parts + 1] = cjson.encode(field) .. ':' .. cjson.encode(text)
    end
  end
  for field in pairs(seen) do
    if not there[field] and string.byte(field, 1) ~= 0 then
      call('HDEL', flat, field)
      call('HDEL', seen_key, field)
    end
  end
  if buried then call('UNLINK', flat, seen_key) end
  if buried or #parts > 0 then
    call('PUBLISH', out, '{"id":' .. cjson.encode(flat) .. ',"changes":{' .. table.concat(parts, ',')
      .. '},"seq":' .. ARGV[s + 8] .. ',"epoch":' .. ARGV[s + 5] .. (buried and ',"deleted":true}' or '}'))
  end
end

-- Whether the object has a state that is not in fields.
local function is_whole(object, found)
  return found[1] and not found[3] and call('HEXISTS', object, '@state') == 1
end

local function create(kinds, id)
  call('ZADD', tag .. ':k:' .. kinds, 0, id)
  if not known[kinds] then call('SADD', tag .. ':kinds', kinds) end
  known[kinds] = true
end

-- A state in fields takes the place of none, or of one that was not in fields.
local function create_or_replace(object, found, kinds, id, gone)
  if found[3] then return end
  if is_whole(object, found) then
    gone[#gone + 1] = '@state'
  else
    create(kinds, id)
  end
end

-- A plain commit: what is in the way of it, or nothing. It takes five commands.
local function plain(s)
  local epoch = epochs[ARGV[s + 4]]
  if epoch ~= ARGV[s + 5] then return 'F' .. epoch end
  local kind, id, head, order, fields = ARGV[s + 2], ARGV[s + 3], ARGV[s + 8], ARGV[s + 13], tonumber(ARGV[s + 15])
  local kinds = ARGV[s + 1] .. ':' .. kind
  local name, first = kinds .. ':' .. id, s + 16
  local object = tag .. ':o:' .. name
  local ask = { 'HMGET', object, '@head', '@version', '@order', '@incarnation' }
  for i = 1, fields do ask[6 + i] = ARGV[first + 2 * i - 2] end
  local found = call(unpack(ask))
  if (found[1] or '0') ~= ARGV[s + 7] then return 'C' .. (found[1] or '0') end
  local set = { 'HSET', object, '@head', head, '@commit', ARGV[s + 6], '@updated', ARGV[s + 9] }
  local n = 8
  if found[3] == order and found[2] == ARGV[s + 10] and found[4] == ARGV[s + 12] then
    for i = 1, fields do
      local value = ARGV[first + 2 * i - 1]
      if found[4 + i] ~= value then
        set[n + 1], set[n + 2] = ARGV[first + 2 * i - 2], value
        n = n + 2
      end
    end
  else
    local names, values, gone = {}, {}, {}
    for i = 1, fields do
      names[i], values[i] = ARGV[first + 2 * i - 2], ARGV[first + 2 * i - 1]
    end
    for i, field in ipairs({ '@version', '@created', '@incarnation' }) do
      set[7 + 2 * i], set[8 + 2 * i] = field, ARGV[s + 9 + i]
    end
    put_all(object, order, found[3], names, values, set, gone)
    if not found[1] then call('ZADD', tag .. ':objects', 0, name) end
    create_or_replace(object, found, kinds, id, gone)
    sliced('HDEL', object, gone)
  end
  call(unpack(set))
  local entry = ARGV[s + 14]
  call('RPUSH', tag .. ':c:' .. name, entry)
  local shard = ARGV[s + 4]
  local position = call('XADD', tag .. ':f:' .. shard, '0-*', 'k', name, 'a', head, 'z', head)
  if position == '0-1' then call('SADD', tag .. ':feed', shard) end
  move(shard)
  call('PUBLISH', channel .. name, string.sub(entry, string.find(entry, ' ', 1, true) + 1))
  kept = kept + 1
end

local function apply(s, found)
  local ns, kind, id = ARGV[s + 1], ARGV[s + 2], ARGV[s + 3]
  local name, kinds = named(s), ns .. ':' .. kind
  local object = tag .. ':o:' .. name
  local head0, head, floor0 = tonumber(ARGV[s + 7]), tonumber(ARGV[s + 8]), tonumber(found[2] or '0')
  local set = { '@head', ARGV[s + 8], '@commit', ARGV[s + 6], '@incarnation', ARGV[s + 9] }
  local gone = {}
  local found_order = found[3]
  if not found[1] then call('ZADD', tag .. ':objects', 0, name) end
  at = s + 11
  local write = take()
  if write == 'k' then
    local updated = take()
    if updated ~= '' then
      set[#set + 1] = '@updated'
      set[#set + 1] = updated
    end
  elseif write == 'd' then
    set[#set + 1] = '@updated'
    set[#set + 1] = take()
    bury(s, object, kinds, id, gone)
  else
    for _, field in ipairs({ '@version', '@created', '@updated' }) do
      set[#set + 1] = field
      set[#set + 1] = take()
    end
    local order = take()
    if order == '' then
      local whole = is_whole(object, found)
      put_whole(object, found_order, set, gone)
      if not found_order and not whole then create(kinds, id) end
    else
      put_fields(object, order, found, set, gone)
      create_or_replace(object, found, kinds, id, gone)
    end
  end
  local buried = write == 'd'
  local entries = write_changes(name, head0, head, floor0, buried, set)
  write_feed(s, name, head0, entries)
  write_alarms(s, object, buried)
  write_rest(s, name)
  write_indexes(object, kinds, id, set)
  write_flat(s, name, buried)
  sliced('HSET', object, set)
  sliced('HDEL', object, gone)
end

-- The commits of a group stand next to each other. Returns where the group ends.
local function apply_group(s, answers)
  local group, failed, first = ARGV[s + 10], false, #answers
  local starts = {}
  while s <= #ARGV and string.byte(ARGV[s], 1) ~= 112 and ARGV[s + 10] == group do
    local failure = check(s)
    failed = failed or failure
    starts[#starts + 1] = s
    answers[#answers + 1] = failure or 'L'
    s = s + tonumber(ARGV[s])
  end
  if not failed then
    for i, start in ipairs(starts) do
      local _, found = check(start)
      apply(start, found)
      answers[first + i] = 'D'
    end
  end
  return s
end

if at <= #ARGV then read_epochs() end
local answers = {}
local s = at
while s <= #ARGV do
  local count, is_plain = size(s)
  if is_plain then
    answers[#answers + 1] = plain(s) or 'D'
    s = s + count
  elseif ARGV[s + 10] ~= '' then
    s = apply_group(s, answers)
  else
    local failure, found = check(s)
    if not failure then apply(s, found) end
    answers[#answers + 1] = failure or 'D'
    s = s + count
  end
end
if kept ~= 0 then
  call('HINCRBY', tag .. ':meta', 'changes', format('%.0f', kept))
end
if #moves > 0 then call('PUBLISH', channel .. '@feed', table.concat(moves, ' ')) end
return answers
