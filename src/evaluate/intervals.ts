/** What so many samples can tell of a share: intervals that hold the true value with 95 % confidence. */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The quantile of the normal distribution that leaves 2.5 % on each side. */
const z = 1.959964;

/**
 * Wilson's score interval of a share p of n samples, with z = 1.96:
 *
 *     (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
 *
 * It stays within 0 and 1, and says something at 0 and 1 too (E. B. Wilson 1927, "Probable inference, the law
 * of succession, and statistical inference"; recommended by Brown, Cai and DasGupta 2001, "Interval
 * estimation for a binomial proportion").
 *
 * @param share from 0 to 1
 */
export function intervalOf(share: number, samples: number): Interval {
  const own = z ** 2 / samples;
  const middle = share + own / 2;
  const reach = z * Math.sqrt((share * (1 - share)) / samples + own / (4 * samples));
  return { low: Math.max(0, (middle - reach) / (1 + own)), high: Math.min(1, (middle + reach) / (1 + own)) };
}

/** Samples that one of two models has right: those that only the first has, and those that only the second has. */
export interface Changed {
  readonly lost: number;
  readonly gained: number;
}

/**
 * The interval of the share that is lost from one model to another on the same n samples, by what changed.
 * As in McNemar's test, samples on which both are right, or both wrong, say nothing. With p = (lost +
 * 1)/(n + 2), q = (gained + 1)/(n + 2):
 *
 *     p - q ± z √((p + q - (p - q)²)/(n + 2)).
 *
 * Source: Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of
 * binomial proportions based on paired data".
 *
 * @returns shares from -1 to 1, above 0 where the second model is worse
 */
export function intervalOfLoss({ lost, gained }: Changed, samples: number): Interval {
  const [p, q] = [(lost + 1) / (samples + 2), (gained + 1) / (samples + 2)];
  const reach = z * Math.sqrt((p + q - (p - q) ** 2) / (samples + 2));
  return { low: Math.max(-1, p - q - reach), high: Math.min(1, p - q + reach) };
}

/** Intervals of the shares that are there, by their names. */
export const intervalsOf = <K extends string>(
  shares: Readonly<Partial<Record<K, number | undefined>>>,
  samples: number,
): Partial<Record<K, Interval>> =>
  Object.fromEntries(
    Object.entries<number | undefined>(shares).flatMap(([name, share]) =>
      share === undefined ? [] : [[name, intervalOf(share, samples)]],
    ),
  ) as Partial<Record<K, Interval>>;
