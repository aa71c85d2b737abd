-- Take the turn at a task that one process does at a time, or keep it.
--
-- KEYS  1 the turns (hash)
-- ARGV  1 the task   2 the process that asks   3 for how long (ms)   4 the instant (ms), '' = now
-- Returns 1 if that process has the turn, else 0. A turn that was not renewed in time is free.

local now = tonumber(ARGV[4])
if ARGV[4] == "" then
    local t = redis.call("TIME")
    now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local lasts = tonumber(ARGV[3])
if not now or not lasts then return redis.error_reply("ERR take_turn: no number") end
local stands = redis.call("HMGET", KEYS[1], ARGV[1], ARGV[1] .. ":until")
local holder, ends = stands[1], tonumber(stands[2] or "") or 0
if holder and holder ~= ARGV[2] and ends > now then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2], ARGV[1] .. ":until", string.format("%.0f", now + lasts))
return 1
