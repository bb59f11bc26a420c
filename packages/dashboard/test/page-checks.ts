// What every page is held to, in the browser's own terms.
import type { Page } from "playwright-core";

/** WCAG 2.2, AA. */
const contrastMin = 4.5;

/** Texts whose color is too near to their ground. */
export function faintTexts(page: Page): Promise<readonly string[]> {
  return page.evaluate((least) => {
    const channels = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (color: string): number => {
      const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const groundOf = (element: Element | null): string => {
      for (let at = element; at !== null; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        if ((channels(backgroundColor)[3] ?? 1) > 0) return backgroundColor;
      }
      return "rgb(255, 255, 255)";
    };
    const found: string[] = [];
    for (const element of document.querySelectorAll("body *")) {
      const text = [...element.childNodes]
        .map((node) => (node.nodeType === 3 ? node.textContent : ""))
        .join("")
        .trim();
      if (text === "" || !element.checkVisibility() || element.matches(":disabled, noscript")) continue;
      const [above = 0, below = 0] = [luminance(getComputedStyle(element).color), luminance(groundOf(element))].sort(
        (a, b) => b - a,
      );
      const contrast = (above + 0.05) / (below + 0.05);
      if (contrast < least) found.push(`${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
    }
    return found;
  }, contrastMin);
}

/** Things to press or to fill in that have no name, and images without one. */
export function namelessControls(page: Page): Promise<readonly string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll("a, button, input, select, [role=img], [role=region]")]
      .filter((element) => {
        const label = element.getAttribute("aria-label") ?? "";
        const labelledBy =
          element instanceof HTMLInputElement
            ? [...(element.labels ?? [])].map((one) => one.textContent).join("")
            : element.textContent;
        return label.trim() === "" && labelledBy.trim() === "";
      })
      .map((element) => element.outerHTML.slice(0, 80)),
  );
}

/** How many pixels wider than its window the page is. */
export function overflowPx(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** The names of what the Tab key goes through from the top of the page, and whether each shows that it has the focus. */
export async function tabOrder(page: Page): Promise<readonly { readonly name: string; readonly isShown: boolean }[]> {
  await page.evaluate(() => {
    (document.activeElement as HTMLElement | null)?.blur();
    window.scrollTo(0, 0);
  });
  const order: { name: string; isShown: boolean }[] = [];
  for (let step = 0; step < 100; step += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return undefined;
      const name = element.getAttribute("aria-label") ?? element.textContent;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { name: name.trim(), isShown: outlineStyle !== "none" && outlineWidth !== "0px" };
    });
    if (focused === undefined) return order; // past the last one
    if (order.length > 1 && focused.name === order[0]?.name) return order;
    order.push(focused);
  }
  return order;
}
