#!lua flags=no-writes
-- A page of an object's kept changes: head, floor, the first entry's seq, the entries.
local found = redis.call('HMGET', ARGV[1], '@head', '@floor')
if not found[1] then return {} end
local floor = tonumber(found[2] or '0')
local from, limit = math.max(tonumber(ARGV[3]) - floor, 0), tonumber(ARGV[4])
local entries = {}
if limit > 0 and from < tonumber(found[1]) - floor then
  entries = redis.call('LRANGE', ARGV[2], from, from + limit - 1)
end
return { found[1], found[2] or '0', string.format('%.0f', floor + from + 1), entries }
