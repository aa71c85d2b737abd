-- Keep a proposed version of a plan, if the proposal whose place it takes is still the one that was read.
--
-- KEYS  1 the proposals
-- ARGV  1 the plan's code   2 the proposal that is replaced, as it was read, '' for none   3 the new one
-- Returns 'ok', or 'stale' where another one stands. A repeat is recognised; one that arrives late changes nothing.

local stands = redis.call("HGET", KEYS[1], ARGV[1]) or ""
if stands ~= ARGV[2] and stands ~= ARGV[3] then return "stale" end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
return "ok"
