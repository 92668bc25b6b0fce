#!lua
-- Removes expired outcomes, then feed entries beyond what each shard keeps.
local tag, now, left, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local removed = 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', tag .. ':expire', '-inf', now, 'LIMIT', 0, left)) do
  local parts, from = object_of(member, 1)
  local name = parts[1] .. ':' .. parts[2] .. ':' .. parts[3]
  redis.call('HDEL', tag .. ':q:' .. name, string.sub(member, from))
  redis.call('ZREM', tag .. ':expire', member)
  removed = removed + 1
end
left = left - removed
if left > 0 then
  for _, shard in ipairs(redis.call('SMEMBERS', tag .. ':feed')) do
    local stream = tag .. ':f:' .. shard
    local over = redis.call('XLEN', stream) - math.max(keep, 1)
    if over > 0 and left > 0 then
      local gone = redis.call('XTRIM', stream, 'MAXLEN', '=', math.max(keep, 1) + math.max(over - left, 0))
      removed, left = removed + gone, left - gone
    end
  end
end
return removed
