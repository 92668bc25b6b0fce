#!lua
-- All that is known of an object that distobject's programs share: its hash, the flat hash, what of
-- that was taken in. A mark says on a channel when it was looked at.
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5] .. ':' .. ARGV[2]) end
return { redis.call('HGETALL', ARGV[1]), redis.call('HGETALL', ARGV[2]), redis.call('HGETALL', ARGV[3]) }
