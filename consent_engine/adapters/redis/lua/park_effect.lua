-- Put an effect whose record cannot be read on the stuck list, if it is still as it was leased.
--
-- KEYS  1 order or line   2 due-set of the lane
-- ARGV  1 the effect's field   2 its value as leased   3 its value when parked   4 its member
-- Returns 1, or 0 when it was dropped, or left with its record meanwhile: parking never creates.

if redis.call("HGET", KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
redis.call("ZADD", KEYS[2], "XX", "+inf", ARGV[4])
return 1
