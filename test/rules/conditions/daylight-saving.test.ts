import { expect, test } from 'vitest'
import { openingsFrom, windowsOf } from './windows.ts'

/** A day of 24 hours around each jump, in UTC. */
const berlinForward = ['Europe/Berlin', '2026-03-28T13:00:00Z'] as const // 01:00Z: from 02:00 to 03:00
const berlinBack = ['Europe/Berlin', '2026-10-24T13:00:00Z'] as const // 01:00Z: from 03:00 to 02:00
const newYorkForward = ['America/New_York', '2026-03-07T19:00:00Z'] as const // 07:00Z: from 02:00 to 03:00
const newYorkBack = ['America/New_York', '2026-10-31T18:00:00Z'] as const // 06:00Z: from 02:00 to 01:00
const lordHoweForward = ['Australia/Lord_Howe', '2026-10-03T03:30:00Z'] as const // 15:30Z: from 02:00 to 02:30
const lordHoweBack = ['Australia/Lord_Howe', '2026-04-04T03:00:00Z'] as const // 15:00Z: from 02:00 to 01:30

test.each([
  ['within what is skipped never opens', berlinForward, '02:00', '03:00', []],
  ['that begins in what is skipped opens with the jump', berlinForward, '02:30', '04:00', ['01:00/02:00']],
  ['that ends in what is skipped closes with the jump', berlinForward, '01:00', '02:30', ['00:00/01:00']],
  ['over what is skipped is an hour shorter', berlinForward, '01:00', '04:00', ['00:00/02:00']],
  ['within what is repeated opens twice', berlinBack, '02:00', '02:30', ['00:00/00:30', '01:00/01:30']],
  ['of all that is repeated stays open', berlinBack, '02:00', '03:00', ['00:00/02:00']],
  ['that begins in what is repeated opens twice', berlinBack, '02:30', '04:00', ['00:30/01:00', '01:30/03:00']],
  ['that ends in what is repeated closes twice', berlinBack, '01:00', '02:30', ['23:00/00:30', '01:00/01:30']],
  ['over what is repeated is an hour longer', berlinBack, '01:00', '04:00', ['23:00/03:00']],
  ['over midnight goes on over the jump', berlinForward, '22:00', '04:00', ['21:00/02:00']],

  ['within what is skipped never opens', newYorkForward, '02:15', '02:45', []],
  ['that begins in what is skipped opens with the jump', newYorkForward, '02:30', '03:30', ['07:00/07:30']],
  ['that ends in what is skipped closes with the jump', newYorkForward, '01:30', '02:30', ['06:30/07:00']],
  ['within what is repeated opens twice', newYorkBack, '01:15', '01:45', ['05:15/05:45', '06:15/06:45']],
  ['that begins in what is repeated opens twice', newYorkBack, '01:30', '02:30', ['05:30/06:00', '06:30/07:30']],
  ['that ends in what is repeated closes twice', newYorkBack, '00:30', '01:30', ['04:30/05:30', '06:00/06:30']],
  ['over midnight goes on over the jump', newYorkBack, '23:00', '02:00', ['03:00/07:00']],

  ['within what is skipped never opens', lordHoweForward, '02:00', '02:30', []],
  ['that begins in what is skipped opens with the jump', lordHoweForward, '02:10', '03:00', ['15:30/16:00']],
  ['that ends in what is skipped closes with the jump', lordHoweForward, '01:30', '02:10', ['15:00/15:30']],
  ['over what is skipped is half an hour shorter', lordHoweForward, '01:00', '03:00', ['14:30/16:00']],
  ['within what is repeated opens twice', lordHoweBack, '01:40', '01:50', ['14:40/14:50', '15:10/15:20']],
  ['that begins in what is repeated opens twice', lordHoweBack, '01:45', '02:15', ['14:45/15:00', '15:15/15:45']],
  ['that ends in what is repeated closes twice', lordHoweBack, '01:00', '01:45', ['14:00/14:45', '15:00/15:15']],
])('a window %s: %j, from %s to %s', (_, [timeZone, start], from, to, openings) => {
  expect(openingsFrom(start, windowsOf({ timeZone, from, to }))).toEqual(openings)
})

test('where the clocks go back over midnight, the last hour of a day comes twice, and belongs to that day', () => {
  // Beirut, 2025-10-25T21:00Z: from Sunday 00:00 to Saturday 23:00.
  const saturday = windowsOf({ timeZone: 'Asia/Beirut', days: ['sat'], from: '23:00', to: '24:00' })
  const overnight = windowsOf({ timeZone: 'Asia/Beirut', days: ['sat'], from: '23:30', to: '00:30' })
  expect(openingsFrom('2025-10-25T09:00:00Z', saturday)).toEqual(['20:00/22:00'])
  expect(openingsFrom('2025-10-25T09:00:00Z', overnight)).toEqual(['20:30/21:00', '21:30/22:30'])
})

test('where the clocks skip midnight, a day begins at one, and with it what begins at midnight', () => {
  // Beirut, 2026-03-28T22:00Z: from Sunday 00:00 to 01:00.
  const sunday = windowsOf({ timeZone: 'Asia/Beirut', days: ['sun'], to: '02:00' })
  const overnight = windowsOf({ timeZone: 'Asia/Beirut', days: ['sat'], from: '23:00', to: '00:30' })
  expect(openingsFrom('2026-03-28T10:00:00Z', sunday)).toEqual(['22:00/23:00'])
  expect(openingsFrom('2026-03-28T10:00:00Z', overnight)).toEqual(['21:00/22:00'])
})
