-- Stop a lane or a gateway, or let it go on; what happened is kept with it, in one step.
--
-- KEYS  1 what stands still   2 what happened, a stream
-- ARGV  1 which one   2 how it is kept, '' = it goes on   3 what happened   4 about how many of these are kept
-- Returns how it stood before, '' for not at all. What stands that way already stays as it is, and nothing happened.

local was = redis.call("HGET", KEYS[1], ARGV[1]) or ""
if (ARGV[2] == "") == (was == "") then return was end
if ARGV[2] == "" then
    redis.call("HDEL", KEYS[1], ARGV[1])
else
    redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
end
redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[4], "*", "m", ARGV[3])
return was
