-- Delete a proposed version of a plan, if it is still the one that was read.
--
-- KEYS  1 the proposals
-- ARGV  1 the plan's code   2 the proposal, as it was read
-- Returns 1 if it is gone, 0 where another one stands, or none

if redis.call("HGET", KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call("HDEL", KEYS[1], ARGV[1])
