#!lua flags=no-writes
-- A page of a shard's feed: its last position, its first kept one, the entries.
local stream = ARGV[1] .. ':f:' .. ARGV[2]
local last = redis.call('HGET', ARGV[1] .. ':feed', ARGV[2]) or '0'
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
local entries = {}
if tonumber(ARGV[4]) > 0 then
  entries = redis.call('XRANGE', stream, '(' .. ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])
end
return { last, first[1] and first[1][1] or '', entries }
