-- The sums of a day's counts of calls over all agents; made here where the day does not have them yet.
--
-- KEYS  1 the counts of a day
-- ARGV  1 the beginning of a sum's name   2 the mark of a day that has its sums: the day on which they were made
--       3 the day's number since 1970   4... the names of the sums
-- Returns the sums, in the order of their names
--
-- From the mark on, each commit that counts also moves the sums. Counts from before it, by an earlier program or a copy
-- to other cells, are added up once, in this one script: no count can come in between. Programs of a release
-- without sums may count here while processes are replaced one by one: for a week sums are made anew once a day. That
-- takes 28 ms of a processor for 40,000 counts (8,000 agents), 0.1 s for 100,000; reading existing sums takes 0.1 ms.

local key, begins, mark, day, sums = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), {}
local today = math.floor(tonumber(redis.call("TIME")[1]) / 86400)
for i = 4, #ARGV do sums[ARGV[i]] = 0 end
local made = redis.call("HGET", key, mark)
if not made or (today - day <= 8 and tonumber(made) ~= today) then
    local kept = redis.call("HGETALL", key)
    for i = 1, #kept, 2 do
        local name = string.match(kept[i], "^[^|]*|[^|]*|")
        if sums[name] then sums[name] = sums[name] + tonumber(kept[i + 1]) end
    end
    if #kept > 0 then redis.call("HSET", key, mark, tostring(today)) end -- a day without calls gets no key
    for name, sum in pairs(sums) do
        if #kept > 0 then redis.call("HSET", key, begins .. name, string.format("%d", sum)) end
    end
end
local found = {}
for i = 4, #ARGV do found[i - 3] = redis.call("HGET", key, begins .. ARGV[i]) or "0" end
return found
