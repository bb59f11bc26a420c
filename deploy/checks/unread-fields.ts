// A schema of Kubernetes says which fields there are, and lets others pass; the API server drops them with a warning at the
// most. So what a validator never looks at is found by watching it look.

/** The paths of all fields that `read` did not look at. */
export function unreadFields(value: unknown, read: (watched: unknown) => void): readonly string[] {
  const looked = new Map<object, Set<PropertyKey>>();
  const watch = (target: unknown): unknown => {
    if (typeof target !== "object" || target === null) return target;
    const keys = looked.get(target) ?? new Set();
    looked.set(target, keys);
    return new Proxy(target, {
      get(from, key, receiver) {
        keys.add(key);
        return watch(Reflect.get(from, key, receiver));
      },
    });
  };
  read(watch(value));
  return unreadIn(value, "", looked);
}

function unreadIn(value: unknown, path: string, looked: ReadonlyMap<object, ReadonlySet<PropertyKey>>): string[] {
  if (typeof value !== "object" || value === null) return [];
  const keys = looked.get(value);
  return Object.entries(value).flatMap(([key, inner]) =>
    keys?.has(key) ? unreadIn(inner, `${path}/${key}`, looked) : [`${path}/${key}`],
  );
}
