-- The limits of a request in one step: all of its rules, or none. The arithmetic is that of `quota.rs`, in microseconds of
-- Redis' clock; every number is whole, and small enough for a double.
--
-- KEYS: the account of each rule, the narrowest first. Beside an account are two sorted sets: `:running`, what holds one
--   of its places, by the time at which that lapses; and `:waiting`, what waits for one, by the time at which it came.
-- ARGV[1]: `take` a request and its places, `enter` the places that it has waited for, or `settle` it.
-- ARGV[2]: numbers: of the operation five (below), how long a place and how long a wait lasts, and seven of each rule:
--   how requests flow (interval, burst), a minute's requests, a day's, a minute's tokens, a day's, places; 0 is no limit.
-- ARGV[3]: by what the request's places are known.
--
-- take: its tokens. enter: the first rule whose place it has not. settle: the time at which it was taken, its tokens then,
-- those that it has used, whether it is given back (1), whether it is to be looked at only (1).
--
-- Returns {whether it passes, now, the rule whose place it waits for or 0, how many wait before it}, and of each rule the
-- nine numbers of its account: when the requests that flow are whole; of a minute's requests, a day's, a minute's tokens and
-- a day's how many are used and when they are whole.

local MINUTE, DAY = 60000000, 86400000000
local HEADER, WIDTH, NUMBERS = 7, 7, 9

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local numbers = {}
for number in string.gmatch(ARGV[2], '%d+') do
  numbers[#numbers + 1] = tonumber(number)
end
local place_lasts, wait_lasts = numbers[6], numbers[7]
local request = ARGV[3]

-- By itself, Redis would write large numbers short.
local function whole(number)
  return string.format('%.0f', number)
end

local function millis(micros)
  return whole(math.ceil(micros / 1000))
end

local function rule(index)
  local at = HEADER + (index - 1) * WIDTH
  return {
    flow = {interval = numbers[at + 1], burst = numbers[at + 2]},
    windows = {
      {at = 2, limit = numbers[at + 3], period = MINUTE, counts_requests = true},
      {at = 4, limit = numbers[at + 4], period = DAY, counts_requests = true},
      {at = 6, limit = numbers[at + 5], period = MINUTE},
      {at = 8, limit = numbers[at + 6], period = DAY},
    },
    places = numbers[at + 7],
  }
end

-- Nothing is ever used up for longer than its period: a clock that is put back makes nobody wait for it.
local function read(index, rule)
  local account = {}
  for number in string.gmatch(redis.call('GET', KEYS[index]) or '', '%d+') do
    account[#account + 1] = tonumber(number)
  end
  for at = 1, NUMBERS do
    account[at] = account[at] or 0
  end
  account[1] = math.min(account[1], now + rule.flow.interval * rule.flow.burst)
  for _, window in ipairs(rule.windows) do
    if window.limit > 0 then
      account[window.at + 1] = math.min(account[window.at + 1], now + window.period)
    end
  end
  return account
end

-- It lives for as long as something is used of it.
local function write(index, account)
  local lives = account[1] - now
  for at = 2, NUMBERS, 2 do
    if account[at] > 0 then
      lives = math.max(lives, account[at + 1] - now)
    end
  end
  if lives <= 0 then
    redis.call('DEL', KEYS[index])
    return
  end
  local texts = {}
  for at = 1, NUMBERS do
    texts[at] = whole(account[at])
  end
  redis.call('SET', KEYS[index], table.concat(texts, ' '), 'PX', millis(lives))
end

local function add(account, window, number)
  if now >= account[window.at + 1] then
    account[window.at], account[window.at + 1] = 0, now + window.period
  end
  account[window.at] = account[window.at] + number
end

-- The account with a request taken from it, and whether it had that.
local function take(rule, account, tokens)
  local taken, passes = {unpack(account)}, true
  if rule.flow.interval > 0 then
    taken[1] = math.max(account[1], now) + rule.flow.interval
    passes = taken[1] - rule.flow.interval * rule.flow.burst <= now
  end
  for _, window in ipairs(rule.windows) do
    if window.limit > 0 then
      add(taken, window, window.counts_requests and 1 or math.min(tokens, window.limit))
      passes = passes and taken[window.at] <= window.limit
    end
  end
  return taken, passes
end

-- Puts what was used of a window in the place of what was held.
local function replace(account, window, taken, held, used)
  if used > held then
    add(account, window, used - held)
  elseif taken + window.period >= account[window.at + 1] then
    account[window.at] = math.max(0, account[window.at] - (held - used))
  end
end

-- Puts what was used in the place of what was taken.
local function correct(rule, account, taken, tokens, used, is_given_back)
  if is_given_back and rule.flow.interval > 0 then
    local left = rule.flow.interval - math.max(0, now - taken)
    account[1] = math.max(0, account[1] - math.max(0, left))
  end
  for _, window in ipairs(rule.windows) do
    if window.limit > 0 and not window.counts_requests then
      replace(account, window, taken, math.min(tokens, window.limit), used)
    elseif window.limit > 0 and is_given_back then
      replace(account, window, taken, 1, 0)
    end
  end
end

-- Takes a place. If there is none: how many wait before this one, which waits from now on.
local function enter(index, rule)
  local running, waiting = KEYS[index] .. ':running', KEYS[index] .. ':waiting'
  redis.call('ZREMRANGEBYSCORE', running, '-inf', whole(now))
  redis.call('ZREMRANGEBYSCORE', waiting, '-inf', whole(now - wait_lasts))
  local rank = redis.call('ZRANK', waiting, request)
  local before = rank or redis.call('ZCARD', waiting)
  if redis.call('ZCARD', running) + before < rule.places then
    redis.call('ZREM', waiting, request)
    redis.call('ZADD', running, whole(now + place_lasts), request)
    redis.call('PEXPIRE', running, millis(place_lasts))
    return nil
  end
  if not rank then
    redis.call('ZADD', waiting, whole(now), request)
    redis.call('PEXPIRE', waiting, millis(wait_lasts))
  end
  return before
end

local function enter_from(first, rules)
  for index = first, #rules do
    local before = rules[index].places > 0 and enter(index, rules[index])
    if before then
      return index, before
    end
  end
  return 0, 0
end

local rules, accounts = {}, {}
for index = 1, #KEYS do
  rules[index] = rule(index)
end
local passes, waits_for, before = true, 0, 0

if ARGV[1] == 'enter' then
  waits_for, before = enter_from(numbers[1], rules)
else
  for index, rule in ipairs(rules) do
    accounts[index] = read(index, rule)
  end
end

if ARGV[1] == 'take' then
  local taken = {}
  for index, rule in ipairs(rules) do
    local has_it
    taken[index], has_it = take(rule, accounts[index], numbers[1])
    passes = passes and has_it
  end
  if passes then
    accounts = taken
    for index, account in ipairs(accounts) do
      write(index, account)
    end
    waits_for, before = enter_from(1, rules)
  end
elseif ARGV[1] == 'settle' and numbers[5] == 0 then
  for index, rule in ipairs(rules) do
    correct(rule, accounts[index], numbers[1], numbers[2], numbers[3], numbers[4] == 1)
    write(index, accounts[index])
    if rule.places > 0 then
      redis.call('ZREM', KEYS[index] .. ':running', request)
      redis.call('ZREM', KEYS[index] .. ':waiting', request)
    end
  end
end

local reply = {passes and 1 or 0, now, waits_for, before}
for _, account in ipairs(accounts) do
  for at = 1, NUMBERS do
    reply[#reply + 1] = account[at]
  end
end
return reply
