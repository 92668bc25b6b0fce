#!lua flags=no-writes
-- A page of a shard's feed: its first kept entry's id, its last one's, the entries.
local stream = ARGV[1] .. ':f:' .. ARGV[2]
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
local entries = {}
if tonumber(ARGV[4]) > 0 then
  entries = redis.call('XRANGE', stream, '(0-' .. ARGV[3], '+', 'COUNT', ARGV[4])
end
return { last[1] and last[1][1] or '', first[1] and first[1][1] or '', entries }
