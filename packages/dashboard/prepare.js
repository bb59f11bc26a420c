// npm runs this at the end of `npm ci`, so that a fresh clone has its dashboard. Plain JavaScript for any Node: an install
// without the development's packages has no other, and builds nothing.
try {
  const { build } = await import("vite");
  await build({ root: import.meta.dirname, logLevel: "warn" });
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  process.stdout.write("The dashboard is not built: vite is not installed.\n");
}
