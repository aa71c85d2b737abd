-- Pause a lane or a gateway, or resume it; the event is kept with it, in one step.
--
-- KEYS  1 the pauses   2 the events, a stream
-- ARGV  1 the lane or gateway   2 its pause as kept, '' = resume   3 the event   4 about how many events are kept
-- Returns the pause before, '' for none. A target already paused or running as asked stays as it is, without an event.

local was = redis.call("HGET", KEYS[1], ARGV[1]) or ""
if (ARGV[2] == "") == (was == "") then return was end
if ARGV[2] == "" then
    redis.call("HDEL", KEYS[1], ARGV[1])
else
    redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
end
redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[4], "*", "m", ARGV[3])
return was
