-- Check whether a call may begin now whose effect was leased a while ago: the effect is still held, its order is as it
-- was leased, nothing bars it, and no message is unread, or a part of one still to come, that may take it back. A no, or the
-- end of its plan, is only noted in an order whose activation is under way: the process that gives the lease back reads it.
--
-- KEYS  1 order   2 its line
-- ARGV  1 the effect's field   2 its lease: `<attempt>,<since when>`   3 the order's version, as leased
--       4 now, '' = ask the server   5.. fields of its line that bar it: restrictions, unread messages
-- Returns 1 or 0

local kept = redis.call("HGET", KEYS[1], ARGV[1])
if string.match(kept or "", "^%[(%d+,[1-9]%d*),") ~= ARGV[2] then return 0 end
if redis.call("HGET", KEYS[1], "v") ~= ARGV[3] then return 0 end
local now = tonumber(ARGV[4])
if not now then
    local time = redis.call("TIME")
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
if #ARGV > 4 then
    if awaits_parts(KEYS[2]) then return 0 end
    for _, stands in ipairs(redis.call("HMGET", KEYS[2], unpack(ARGV, 5))) do
        if stands and not over(row_in(stands), now) then return 0 end
    end
end
redis.call("HSET", KEYS[1], ARGV[1], kept) -- so that WAITAOF proves that this server is the one that others write to
return 1
