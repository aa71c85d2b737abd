-- Merge one process's measurements of a gateway or of the BSS with those of others: instants move forward only.
--
-- KEYS  1 the measurements (hash)
-- ARGV  1 the beginning of the fields' names
--       2 when it last accepted something   3 when it last answered   4 when a call last failed; 0: never
--       5 the first failure after the last answer   6 calls that ended   7 how many of them failed
--       8 when it last refused our account; 0: never   9 after how long (ms) a call counts half
-- A process that is late changes nothing that is newer. Returns 1

local n = {}
for i = 2, 9 do
    n[i] = tonumber(ARGV[i])
    if not n[i] then return redis.error_reply("ERR heard: no number") end
end
local names = {}
for i, what in ipairs({"accepted", "answered", "failed", "since", "lost", "calls", "failures", "at", "refused"}) do
    names[i] = ARGV[1] .. what
end
local was = redis.call("HMGET", KEYS[1], unpack(names))
for i = 1, #names do was[i] = tonumber(was[i] or "") or 0 end
local accepted, answered, failed = math.max(was[1], n[2]), math.max(was[2], n[3]), math.max(was[3], n[4])
local since, lost = was[4], was[5] + n[7]
if since <= answered then
    lost = n[7]
    if failed > answered then since = math.max(n[5], answered + 1) end
end
local at = math.max(was[8], n[3], n[4])
local less = 0.5 ^ ((at - was[8]) / n[9])
local told = {accepted, answered, failed, since, lost, was[6] * less + n[6], was[7] * less + n[7], at, math.max(was[9], n[8])}
local row = {}
for i = 1, #names do
    row[2 * i - 1] = names[i]
    row[2 * i] = string.format(i == 6 and "%.6f" or i == 7 and "%.6f" or "%.0f", told[i])
end
redis.call("HSET", KEYS[1], unpack(row))
return 1
