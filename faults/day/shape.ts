// The day's shape: how many requests arrive in each of its minutes.

export const minutesPerDay = 1_440;
/** What service B can process, of the day's total in an hour: 100,000 of 2,000,000. */
export const ratePerHourShare = 1 / 20;

/** Thousands of 2,000,000 that arrive in each hour: a quiet night, eight hours at the peak of 200,000, an evening. */
const thousandsByHour = [
  4, 2, 2, 2, 4, 8, 20, 60, 200, 200, 200, 200, 200, 200, 200, 200, 120, 70, 40, 25, 18, 12, 8, 5,
];
const thousandsPerDay = thousandsByHour.reduce((sum, thousands) => sum + thousands, 0);

/** The numbers of the first request of each minute, and behind them the total: minute m has from [m] up to [m + 1]. */
export function minuteStarts(total: number): Uint32Array {
  const starts = new Uint32Array(minutesPerDay + 1);
  let thousands = 0;
  for (let minute = 0; minute < minutesPerDay; minute += 1) {
    starts[minute] = Math.round((total * thousands) / thousandsPerDay);
    thousands += (thousandsByHour[Math.floor(minute / 60)] ?? 0) / 60;
  }
  starts[minutesPerDay] = total;
  return starts;
}
