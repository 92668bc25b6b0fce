#!lua flags=no-writes
-- Objects in the order of a set, as many as some bytes hold, at least one: each member, its id, and the
-- object's hash. The last row is how many members there were.
local tag, kinds, set, low, high, limit, reverse, bytes = unpack(ARGV)
local function id_of(member)
  local class = string.sub(member, 1, 1)
  if class == '3' then return string.sub(member, 22) end
  if class ~= '4' then return string.sub(member, 2) end
  local stop = string.find(member, '\0', 2, true)
  while string.byte(member, stop + 1) == 255 do
    stop = string.find(member, '\0', stop + 1, true)
  end
  return string.sub(member, stop + 1)
end
local members
if reverse == '1' then
  members = redis.call('ZREVRANGEBYLEX', set, high, low, 'LIMIT', 0, limit)
else
  members = redis.call('ZRANGEBYLEX', set, low, high, 'LIMIT', 0, limit)
end
local ordered = set ~= tag .. ':k:' .. kinds
local rows, left = {}, tonumber(bytes)
for _, member in ipairs(members) do
  local id = ordered and id_of(member) or member
  local hash = redis.call('HGETALL', tag .. ':o:' .. kinds .. ':' .. id)
  rows[#rows + 1] = { member, id, hash }
  left = left - #member
  for _, text in ipairs(hash) do left = left - #text end
  if left <= 0 then break end
end
rows[#rows + 1] = #members
return rows
