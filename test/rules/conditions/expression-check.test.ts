import { describe, expect, test } from 'vitest'
import { problemsOf } from './judged.ts'

const refusal = (expression: string) => problemsOf({ expression })

describe('an expression is accepted that', () => {
  test.each([
    ['compares a fact', "workload.pod.name.startsWith('api-')"],
    ['asks for a claim by name', "workload.claims['tier'] == 'gold'"],
    ['asks whether there is a claim', "'tier' in workload.claims"],
    ['asks for a label', "workload.issuer.labels['environment'] == target.labels['environment']"],
    ['asks whether a member is there', "has(actor.subject) && actor.subject == 'portal'"],
    ['asks for what Entra says', "workload.entra.roles.exists(role, role == 'reader')"],
    ['goes over a fact', "scopes.all(scope, scope in ['read', 'write'])"],
    ['goes over a claim', "workload.claims['groups'].exists(group, group.startsWith('team-'))"],
    ['goes over a list that is written out', '[1, 2, 3].exists_one(n, n > 2)'],
    ['goes over two lists, one after the other', 'scopes.all(a, true) && scopes.all(b, true)'],
    ['filters and maps', "size(scopes.filter(s, s != 'read')) == 0 && scopes.map(s, s + '!') == ['read!']"],
    ['takes the time apart', "time.getDayOfWeek('Europe/Berlin') in [1, 2, 3, 4, 5] && time.getHours() >= 8"],
    ['reckons with times', "time - timestamp('2026-01-01T00:00:00Z') > duration('24h')"],
    ['compares numbers of two kinds', '1 < 2.5 && 2 == 2.0'],
    ['matches with a pattern', "workload.pod.name.matches('^api-[0-9a-f]+-[a-z0-9]{5}$')"],
    ['asks the time of a zone', "time.getHours('UTC') == 8 && time.getMinutes('America/Argentina/Ushuaia') == 0"],
    ['writes out a time and a span', "time < timestamp('2026-01-01T00:00:00.5+02:00') + duration('1h30m')"],
    ['reads a time out of a fact', "timestamp(workload.claims['until']) > time"],
    ['asks the time within a comprehension', 'scopes.all(s, time.getHours() > 8)'],
    ['matches each of a list with a pattern', "workload.claims['groups'].exists(g, g.matches('^team-[a-z0-9-]+$'))"],
    ['chooses between two maps', "(has(actor.subject) ? actor : workload).claims['tier'] == 'gold'"],
    ['chooses', "workload.issuer.kind == 'aks' ? client.country == 'DE' : false"],
    ['takes the size of text either way', 'size(workload.subject) == workload.subject.size()'],
    ['has a comprehension that hides a fact', 'scopes.all(time, time.startsWith("r"))'],
  ])('%s', (_, expression) => {
    expect(refusal(expression)).toEqual([])
  })

  test('has all of 2,048 characters, and none that has more', () => {
    const ofLength = (length: number) => `'${'x'.repeat(length - 8)}' != ''`
    expect(refusal(ofLength(2_048))).toEqual([])
    expect(refusal(ofLength(2_049))).toEqual([expect.stringContaining('<=2048 characters')])
  })

  test('has 128 parts, and none that has more, those of its macros among them', () => {
    const ofTrues = (count: number) => Array.from({ length: count }, () => 'true').join(' && ')
    expect(refusal(`!(${ofTrues(64)})`)).toEqual([])
    expect(refusal(ofTrues(65))).toEqual([expect.stringContaining('it has more than 128 parts')])
    expect(refusal(`scopes.all(s, ${ofTrues(64)})`)).toEqual([expect.stringContaining('it has more than 128 parts')])
  })
})

/** The patterns have as many instructions as they repeat letters, and two more. */
describe('matching comes to 1,024 instructions at most', () => {
  const tooMuch = [expect.stringContaining('its patterns are too large, or applied too often')]
  const matching = (text: string, times: number, letter = 'a') => `${text}.matches('${letter}{${times}}')`

  test('of one pattern', () => {
    // What is repeated a thousand times at most is two letters here.
    expect(refusal(matching("'a'", 511, '(?:ab)'))).toEqual([])
    expect(refusal(matching("'a'", 512, '(?:ab)'))).toEqual(tooMuch)
  })

  test('of several together, and of one that is applied as often', () => {
    expect(refusal(`${matching("'a'", 510)} || ${matching("'a'", 510, 'b')}`)).toEqual([])
    expect(refusal(`${matching("'a'", 510)} || ${matching("'a'", 511, 'b')}`)).toEqual(tooMuch)
    expect(refusal(`${matching("'a'", 510)} || ${matching("'b'", 510)}`)).toEqual([])
    expect(refusal(`${matching("'a'", 511)} || ${matching("'b'", 511)}`)).toEqual(tooMuch)
  })

  test('of one within a comprehension, where it counts 64 times, the longest fact, or once for each that is written', () => {
    expect(refusal(`scopes.all(s, ${matching('s', 14)})`)).toEqual([])
    expect(refusal(`scopes.all(s, ${matching('s', 15)})`)).toEqual(tooMuch)
    expect(refusal(`['a', 'b', 'c', 'd'].all(s, ${matching('s', 254)})`)).toEqual([])
    expect(refusal(`['a', 'b', 'c', 'd'].all(s, ${matching('s', 255)})`)).toEqual(tooMuch)
  })
})

describe('an expression is refused that', () => {
  test.each([
    ['names what is no fact', "posture.cluster == 'a'", '"posture" is not a fact here; there are workload, actor'],
    ['names a member that is not there', "workload.pod.nam == 'a'", '"nam" is not a member here; there are name, uid'],
    ['names what the record does not tell rules', "workload.token.keyId == 'a'", '"token" is not a member here'],
    ['names a member of text', "workload.subject.length == 'a'", 'there is no member "length" in string'],
    ['names the prototype', "__proto__ == 'a'", '"__proto__" is not a fact here'],
    ['names the prototype of a fact', "workload.__proto__ == 'a'", '"__proto__" is not a member here'],
    ['names the constructor of a fact', "workload.constructor == 'a'", '"constructor" is not a member here'],
    ['names a claim by a dot', "workload.claims.tier == 'gold'", "write ['tier'] instead of .tier"],
    ['asks for a claim with has', 'has(workload.claims.tier)', "'tier' in … instead of has(…)"],
    ['names a label by a dot', "target.labels.team == 'a'", "write ['team'] instead of .team"],
    ['asks for a computed claim', "workload.claims[workload.subject] == 'a'", 'expected a name in quotes'],
    ['asks for a fact by index', "workload['subject'] == 'a'", '[…] is for maps by name and lists by number'],
    ['asks text by number', "workload.subject[0] == 'a'", '[…] is for maps by name and lists by number'],
    ['asks a list by text', "scopes['read'] == 'a'", '[…] is for maps by name and lists by number'],
    ['names the variable of another comprehension', 'scopes.all(s, true) && s == "a"', '"s" is not a fact here'],
    ['nests comprehensions', 'scopes.all(a, scopes.all(b, a == b))', 'a comprehension cannot stand within another'],
    [
      'nests a comprehension in a range',
      "scopes.filter(a, a != '').all(b, b == '')",
      'goes over a fact or a list that is written out',
    ],
    ['computes a range', "(scopes + scopes).all(s, s == '')", 'goes over a fact or a list that is written out'],
    [
      'picks a range out of what it computes',
      "[scopes + scopes][0].all(s, s == '')",
      'goes over a fact or a list that is written out',
    ],
    ['goes over text', "workload.subject.all(s, s == '')", 'a comprehension goes over a list, not string'],
    ['goes over the claims', "workload.claims.all(c, c == '')", 'a comprehension goes over a list, not map'],
    ['computes a pattern', 'workload.subject.matches(workload.namespace)', 'expected a pattern in quotes'],
    ['matches with a torn pattern', "workload.subject.matches('(')", 'error parsing regexp: missing closing )'],
    ['matches with a look-ahead', "workload.subject.matches('a(?=b)')", 'error parsing regexp: invalid or unsupported'],
    ['matches with a back-reference', "workload.subject.matches(r'(a)\\1')", 'error parsing regexp: invalid escape'],
    ['asks a zone that is not there', "time.getHours('Mars/Olympus') == 1", '"Mars/Olympus" is not an IANA time zone'],
    ['asks an offset for a zone', "time.getHours('+02:00') == 1", '"+02:00" is not an IANA time zone'],
    ['computes a zone', 'time.getHours(workload.subject) == 1', 'expected a time zone in quotes'],
    ['asks a zone of what may be a time', "[time, ''][0].getHours('Mars/Olympus') == 1", 'is not an IANA time zone'],
    [
      'asks a zone within a comprehension',
      "scopes.all(s, time.getHours('Europe/Berlin') > 8)",
      'a time zone cannot be asked within a comprehension',
    ],
    [
      'asks a zone there of what may be a time',
      "scopes.all(s, [time, s][0].getHours('Europe/Berlin') > 8)",
      'a time zone cannot be asked within a comprehension',
    ],
    ['writes out no time', "time > timestamp('2026-13-01T00:00:00Z')", '"2026-13-01T00:00:00Z" is not a timestamp'],
    ['writes out no span', "time - time > duration('soon')", '"soon" is not a duration'],
    ['comes to text', 'workload.subject', 'expected true or false, found string'],
    ['comes to a number', '1 + 1', 'expected true or false, found int'],
    ['comes to a list', 'scopes.filter(s, true)', 'expected true or false, found list'],
    ['calls what is not there', 'fetch(workload.subject)', 'there is no function "fetch" here'],
    ['calls a method that is not there', 'workload.subject.toString() == "a"', 'there is no function "toString" here'],
    ['calls what every object has', "constructor('a') == 'a'", 'there is no function "constructor" here'],
    ['asks for a type', 'type(workload) == type(actor)', 'there is no function "type" here'],
    ['calls a function as a method', "'7'.int() == 7", 'write int(…)'],
    ['calls a method as a function', "startsWith('ab', 'a')", 'write ….startsWith(…)'],
    ['calls with too few arguments', 'workload.subject.startsWith()', 'startsWith does not take string'],
    ['adds text and a number', "workload.subject + 1 == 'a1'", '_+_ does not take string, int'],
    ['orders text and a number', 'workload.subject < 1', '_<_ does not take string, int'],
    ['compares text with a number', 'workload.subject == 1', 'string never equals int'],
    ['compares text with null', 'workload.subject == null', 'string never equals null'],
    ['compares objects', 'workload.pod != workload.node', 'objects and maps are not compared'],
    ['compares an object with null', 'workload.entra == null', 'objects and maps are not compared'],
    ['compares maps', 'workload.claims == actor.claims', 'objects and maps are not compared'],
    ['compares maps in lists', '[workload.claims] == [actor.claims]', 'objects and maps cannot stand in a list'],
    ['looks for an object', 'workload.pod in scopes', 'objects and maps are in nothing'],
    ['looks into an object', "'name' in workload.pod", 'nothing is in object'],
    ['looks into text', "'a' in workload.subject", 'nothing is in string'],
    ['asks whether there is a computed claim', 'workload.subject in workload.claims', 'expected a name in quotes'],
    [
      'hides claims in a list',
      "'groups' in [workload.claims].filter(c, true)[0]",
      'objects and maps cannot stand in a list',
    ],
    ['hides claims in what it maps', 'scopes.map(s, workload.claims) == []', 'objects and maps cannot stand in a list'],
    [
      'hides claims in a choice',
      "'groups' in (true ? workload.claims : scopes)",
      '? cannot choose between map and list',
    ],
    ['takes the size of the claims', 'size(workload.claims) == 0', 'size does not take map'],
    ['takes the size of labels', 'target.labels.size() == 0', 'size does not take map'],
    ['compares a time with a number', 'time > 1767225600', '_>_ does not take timestamp, int'],
    ['negates text', '!workload.subject', '!_ does not take string'],
    ['joins a list with &&', 'scopes && true', '_&&_ does not take list, bool'],
    ['chooses by text', 'workload.subject ? true : false', '? expects true or false, found string'],
    ['writes a map', "{'a': 1}['a'] == 1", 'maps and messages cannot be written here'],
    [
      'writes a message',
      'google.protobuf.Duration{seconds: 1} == duration("1s")',
      'maps and messages cannot be written',
    ],
    ['writes bytes', "b'a' == b'a'", '"bytesValue" is not a literal here'],
    ['is not complete', 'workload.subject ==', 'expected a CEL expression: <input>:1:'],
    ['is nothing', '', 'expected a CEL expression: <input>:1:'],
    ['is nested without end', '('.repeat(2_000), 'expected a CEL expression: '],
  ])('%s', (_, expression, problem) => {
    const [found, ...others] = refusal(expression)
    expect(found).toContain(problem)
    expect(found).toMatch(/^conditions\.expression: expected a CEL expression: /)
    expect(others).toEqual([])
  })

  test('is no text', () => {
    expect(problemsOf({ expression: true })).toEqual([expect.stringContaining('expression: Invalid input')])
  })
})
