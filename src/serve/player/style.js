/** The look of the player. Given to the shadow root as a constructed style sheet, which a Content-Security-Policy does not count as inline. */
export const STYLE = `
:host {
  --accent: var(--h5-live-accent, #ff3b30);
  --ink: #fff;
  --glass: rgb(12 14 18 / 58%);
  --ratio: var(--h5-live-ratio, var(--picture-ratio, 16 / 9));
  display: block; position: relative; overflow: hidden; aspect-ratio: var(--ratio); max-width: calc(var(--h5-live-max-height) * var(--ratio));
  background: var(--h5-live-background, #0c0e12); color: var(--ink);
  font: 500 13px/1.35 system-ui, sans-serif; -webkit-tap-highlight-color: transparent; user-select: none; -webkit-user-select: none;
}
:host([hidden]), [hidden] { display: none !important; }
:host(:fullscreen) { width: 100%; height: 100%; max-width: none; aspect-ratio: auto; border-radius: 0; }
video, img, canvas { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: var(--h5-live-fit, contain); display: block; }
button {
  font: inherit; color: inherit; border: 0; margin: 0; cursor: pointer; background: none; min-width: 44px; min-height: 44px; padding: 0 10px;
  display: inline-flex; align-items: center; justify-content: center; gap: 8px; border-radius: 22px;
}
button:hover { background: rgb(255 255 255 / 14%); }
button:focus-visible { outline: 2px solid #fff; outline-offset: -3px; box-shadow: 0 0 0 2px rgb(0 0 0 / 60%); }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; flex: none; }
.badge, .pill, .note { background: var(--glass); backdrop-filter: blur(10px) saturate(1.3); -webkit-backdrop-filter: blur(10px) saturate(1.3); }
.badge {
  position: absolute; top: max(10px, env(safe-area-inset-top)); left: max(10px, env(safe-area-inset-left)); display: flex; align-items: center;
  gap: 7px; height: 26px; padding: 0 10px; border-radius: 13px; font-size: 12px; letter-spacing: .02em; pointer-events: none;
}
.badge b { font-weight: 700; letter-spacing: .06em; }
.badge span { font-variant-numeric: tabular-nums; opacity: .9; }
.badge i { width: 8px; height: 8px; border-radius: 50%; background: #9aa3ad; }
.live .badge i { background: var(--accent); animation: pulse 2.4s ease-in-out infinite; }
@keyframes pulse { 50% { opacity: .45; } }
.bar {
  position: absolute; inset: auto 0 0; display: flex; align-items: center; justify-content: flex-end; gap: 2px;
  padding: 30px max(8px, env(safe-area-inset-right)) max(6px, env(safe-area-inset-bottom)) max(8px, env(safe-area-inset-left));
  background: linear-gradient(transparent, rgb(0 0 0 / 55%)); opacity: 0; transition: opacity .18s; pointer-events: none;
}
.bar > .sound { margin-right: auto; }
.active .bar, .bar:focus-within { opacity: 1; }
.active .bar button, .bar:focus-within button { pointer-events: auto; }
.root { position: absolute; inset: 0; }
:host(:fullscreen) .root:not(.active) { cursor: none; }
.pill { position: absolute; min-width: 44px; left: max(10px, env(safe-area-inset-left)); bottom: max(10px, env(safe-area-inset-bottom)); padding: 0 11px; }
.pill span { padding-right: 4px; }
.pill:hover { background: rgb(12 14 18 / 78%); }
.center { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 14px; pointer-events: none; text-align: center; padding: 16px; }
.center button { pointer-events: auto; }
.play { width: 76px; height: 76px; border-radius: 50%; background: var(--glass); backdrop-filter: blur(10px); -webkit-backdrop-filter: blur(10px); }
.play svg { width: 34px; height: 34px; fill: currentColor; }
.spinner { width: 42px; height: 42px; border-radius: 50%; border: 3px solid rgb(255 255 255 / 28%); border-top-color: #fff; animation: turn .9s linear infinite; filter: drop-shadow(0 0 4px rgb(0 0 0 / 50%)); }
@keyframes turn { to { transform: rotate(1turn); } }
.note { max-width: 34em; padding: 8px 14px; border-radius: 14px; text-wrap: balance; }
.lost video, .lost img, .lost canvas { filter: saturate(.35) brightness(.75); transition: filter .4s; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) { .live .badge i { animation: none; } .spinner { animation-duration: 3s; } .bar, video, img, canvas { transition: none; } }
@media (prefers-color-scheme: light) { :host(:not(:fullscreen)) { background: var(--h5-live-background, #1b1f25); } }
@media print { .bar, .pill, .center { display: none; } }
`;
