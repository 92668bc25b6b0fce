#!lua flags=no-writes
-- Whole objects in the order of their names, as many as some bytes hold, at least one: of each its name,
-- its hash, its changes, its snapshots, what it received, its outcomes.
local tag, low, limit, bytes = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local rows = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', tag .. ':objects', low, '+', 'LIMIT', 0, limit)) do
  local row = {
    name,
    redis.call('HGETALL', tag .. ':o:' .. name),
    redis.call('LRANGE', tag .. ':c:' .. name, 0, -1),
    redis.call('ZRANGE', tag .. ':n:' .. name, 0, -1),
    redis.call('HGETALL', tag .. ':r:' .. name),
    redis.call('HGETALL', tag .. ':q:' .. name),
  }
  rows[#rows + 1] = row
  for i = 2, 6 do
    for _, text in ipairs(row[i]) do bytes = bytes - #text end
  end
  if bytes <= 0 then break end
end
return rows
