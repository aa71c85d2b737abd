-- Put before the text of each script in lua/: how they read a line and the clock.

local function row_in(kept) -- a list as kept, nil where it cannot be read
    local is_read, row = pcall(cjson.decode, kept)
    return is_read and type(row) == "table" and row or nil
end
local function over(restriction, now) -- whether it has ended: a line keeps it for days
    local ends = restriction and tonumber(restriction[9]) or 0
    return ends > 0 and ends <= now
end
local function now_of(named) -- the instant (ms) that the caller names, or the server's for ''
    if named ~= "" then return named end
    local time = redis.call("TIME")
    return string.format("%.0f", time[1] * 1000 + math.floor(time[2] / 1000))
end
