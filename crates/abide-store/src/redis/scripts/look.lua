#!lua flags=no-writes
-- All that is known of an object that distobject's programs share: its hash, the flat hash, what of
-- that was taken in, and the epoch of its shard.
return {
  redis.call('HGETALL', ARGV[1]),
  redis.call('HGETALL', ARGV[2]),
  redis.call('HGETALL', ARGV[3]),
  redis.call('HGET', ARGV[4], ARGV[5]) or '0',
}
