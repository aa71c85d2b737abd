-- Lift a refusal: the subscriber's own act undoes it, and the act is kept.
--
-- KEYS  1 line   2 refusals (zset)   3 lifted (stream)
-- ARGV  1 line id   2 carrier or *   3 what is kept: who, when, which act (json)
-- Raises the line's version, so that nobody admits on what was read before. Returns 1, or 0 when nothing stood.

if redis.call("HDEL", KEYS[1], "r:" .. ARGV[2]) == 0 then return 0 end
redis.call("HINCRBY", KEYS[1], "v", 1)
redis.call("ZREM", KEYS[2], ARGV[1] .. " " .. ARGV[2])
redis.call("XADD", KEYS[3], "*", "m", ARGV[3])
return 1
