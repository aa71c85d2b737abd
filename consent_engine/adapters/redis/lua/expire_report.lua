-- Delete the person part of a report, or all of it, once it need not be kept any longer.
--
-- KEYS  1 report   2 reports   3 reports that have a person part   4 reports that are answered   5 due-set of the timer
--       lane, where one that the archive does not take is parked   (zsets)
-- ARGV  1 report id   2 'person' or 'whole'   3 its member of that due-set
-- An undecided report stays as it is: its reporter waits for the answer. A repeat changes nothing.
-- Returns 1 when something was deleted, 0 when not.

local state = redis.call("HGET", KEYS[1], "state")
if state == "open" then return 0 end

-- From here on nothing can fail.
redis.call("ZREM", KEYS[3], ARGV[1])
if ARGV[2] == "person" and state then return redis.call("HDEL", KEYS[1], "who") end
redis.call("ZREM", KEYS[2], ARGV[1])
redis.call("ZREM", KEYS[4], ARGV[1])
redis.call("ZREM", KEYS[5], ARGV[3])
return redis.call("DEL", KEYS[1])
