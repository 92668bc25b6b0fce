#!lua flags=no-writes
-- Objects in the order of a set: each member, its id, and the object's hash.
local tag, kinds, set, low, high, limit, reverse = unpack(ARGV)
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
local rows = {}
for _, member in ipairs(members) do
  local id = ordered and id_of(member) or member
  rows[#rows + 1] = { member, id, redis.call('HGETALL', tag .. ':o:' .. kinds .. ':' .. id) }
end
return rows
