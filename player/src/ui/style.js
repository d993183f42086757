/** The look of the player. Given to the shadow root as a constructed style sheet, which a Content-Security-Policy does not count as inline. */
export const STYLE = `
:host {
  --accent: var(--h5-live-accent, #ff3b30);
  --ink: #fff;
  --soft: rgb(255 255 255 / 72%);
  --line: rgb(255 255 255 / 14%);
  /* Not blurred: that would have to be done anew for every frame of the picture, and costs where there is no graphics card. */
  --glass: rgb(15 17 21 / 74%);
  --edge: 10px;
  --ratio: var(--h5-live-ratio, var(--picture-ratio, 16 / 9));
  display: block; position: relative; overflow: hidden; aspect-ratio: var(--ratio); max-width: calc(var(--h5-live-max-height) * var(--ratio));
  background: var(--h5-live-background, #0c0e12); color: var(--ink); color-scheme: dark;
  font: 500 13px/1.4 system-ui, sans-serif; -webkit-tap-highlight-color: transparent; user-select: none; -webkit-user-select: none;
}
:host([hidden]), [hidden] { display: none !important; }
:host(:fullscreen) { width: 100%; height: 100%; max-width: none; aspect-ratio: auto; border-radius: 0 !important; }
* { box-sizing: border-box; }
.root { position: absolute; inset: 0; border-radius: inherit; outline: none; container-type: size; }
.root:focus-visible::after { content: ''; position: absolute; inset: 0; border: 3px solid #fff; outline: 2px solid #000; outline-offset: -5px; border-radius: inherit; pointer-events: none; }
.picture, video, img, canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
video, img, canvas { object-fit: var(--h5-live-fit, contain); }

button {
  font: inherit; color: inherit; border: 0; margin: 0; cursor: pointer; background: none; min-width: 44px; min-height: 44px; padding: 0 10px;
  display: inline-flex; align-items: center; justify-content: center; gap: 8px; border-radius: 22px; white-space: nowrap; touch-action: manipulation;
}
button:active { scale: .96; }
:is(button, select, input):focus-visible { outline: 2px solid #fff; outline-offset: -3px; box-shadow: 0 0 0 2px rgb(0 0 0 / 70%); }
@media (hover: hover) { button:hover { background: rgb(255 255 255 / 16%); } :is(.pill, .big):hover { background: rgb(40 44 52 / 85%); } }
.icon { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; flex: none; }
.solid { fill: currentColor; }
.text { border: 1px solid rgb(255 255 255 / 26%); padding: 0 16px; font-weight: 600; }
.text .icon { width: 18px; height: 18px; margin-left: -4px; }
.badge::before, .pill, .note, .toast, .big { background: var(--glass); }

.badge, .pill { position: absolute; top: max(var(--edge), env(safe-area-inset-top)); z-index: 1; font-size: 12px; letter-spacing: .01em; }
/* The pill that is seen is lower than the target of the finger. */
.badge { left: max(var(--edge), env(safe-area-inset-left)); margin: -8px 0 0; padding: 0 11px; gap: 7px; }
.badge::before { content: ''; position: absolute; inset: 8px 0; border-radius: 14px; z-index: -1; transition: background .15s; }
@media (hover: hover) { .badge:hover { background: none; } .badge:hover::before { background: rgb(40 44 52 / 75%); } }
.badge b { font-weight: 700; letter-spacing: .06em; text-transform: uppercase; }
.badge span { font-variant-numeric: tabular-nums; color: rgb(255 255 255 / 88%); }
.badge em { font-style: normal; font-weight: 600; padding-left: 8px; border-left: 1px solid rgb(255 255 255 / 30%); }
.badge i { width: 8px; height: 8px; border-radius: 50%; background: #a3abb5; }
/* It does not pulse: an animation without end has the whole page painted sixty times a second, and the picture comes later for it. */
.live .badge i { background: var(--accent); }
.pill { right: max(var(--edge), env(safe-area-inset-right)); margin-top: -2px; padding: 0 14px 0 11px; font-weight: 600; font-size: 13px; }
.pill .icon { width: 20px; height: 20px; }

.bar {
  position: absolute; inset: auto 0 0; display: flex; align-items: center; gap: 2px;
  padding: 44px max(8px, env(safe-area-inset-right)) max(6px, env(safe-area-inset-bottom)) max(8px, env(safe-area-inset-left));
  background: linear-gradient(transparent, rgb(0 0 0 / 30%) 45%, rgb(0 0 0 / 62%)); opacity: 0; transition: opacity .18s; pointer-events: none;
}
.gap { flex: 1; }
.active .bar, .paused:not(.empty) .bar, .bar:focus-within { opacity: 1; }
:is(.active, .paused:not(.empty)) .bar :is(button, input), .bar:focus-within :is(button, input) { pointer-events: auto; }
:host(:fullscreen) .root:not(.active) { cursor: none; }
.sound { display: flex; align-items: center; }
input[type=range] { width: 0; height: 44px; margin: 0; opacity: 0; accent-color: #fff; cursor: pointer; transition: width .18s, opacity .18s; border-radius: 6px; }
.sound:hover input, .sound:focus-within input { width: 84px; opacity: 1; margin: 0 8px 0 2px; }
/* A phone has its own buttons for that. */
@media (hover: none) { input[type=range] { display: none; } }

.centre { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 16px; pointer-events: none; text-align: center; padding: 16px; }
.centre button { pointer-events: auto; }
.big { width: 76px; height: 76px; border-radius: 50%; }
.big .icon { width: 38px; height: 38px; }
.spinner { width: 40px; height: 40px; border-radius: 50%; border: 3px solid rgb(255 255 255 / 25%); border-top-color: #fff; animation: turn .9s linear infinite; filter: drop-shadow(0 0 4px rgb(0 0 0 / 50%)); }
@keyframes turn { to { transform: rotate(1turn); } }
.note { display: grid; justify-items: center; gap: 3px; max-width: min(34em, 100%); padding: 12px 20px; border-radius: 18px; text-wrap: balance; overflow-wrap: anywhere; }
.note strong { font-size: 15px; font-weight: 600; }
.note span { color: var(--soft); font-variant-numeric: tabular-nums; }
.note .text { margin: 9px 0 3px; }
.note .text span { color: inherit; }
.empty .note { background: none; }
.lost .picture { filter: saturate(.3) brightness(.6); transition: filter .4s; }
.toast {
  position: absolute; left: 50%; bottom: max(66px, env(safe-area-inset-bottom)); translate: -50% 6px; padding: 8px 16px; border-radius: 18px; font-weight: 600; max-width: calc(100% - 24px);
  opacity: 0; transition: opacity .18s, translate .18s; pointer-events: none; overflow-wrap: anywhere;
}
.toast.on { opacity: 1; translate: -50% 0; }
.flash { position: absolute; inset: 0; background: #fff; opacity: 0; animation: flash .22s; pointer-events: none; }
@keyframes flash { 20% { opacity: .55; } }

.sheet {
  position: absolute; z-index: 2; top: max(var(--edge), env(safe-area-inset-top)); right: max(var(--edge), env(safe-area-inset-right)); width: 340px; max-height: calc(100% - 2 * var(--edge)); overflow: auto;
  overscroll-behavior: contain; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: 16px; color: var(--ink); background: rgb(20 23 28 / 98%);
  box-shadow: 0 12px 40px rgb(0 0 0 / 40%); user-select: text; -webkit-user-select: text; text-align: left;
}
.sheet:popover-open {
  position: fixed; inset: auto 0 0; margin: 0 auto; width: min(100%, 460px); max-height: min(85dvh, 640px); border-radius: 20px 20px 0 0; border-bottom: 0;
  padding-bottom: env(safe-area-inset-bottom); background: rgb(20 23 28 / 97%); animation: rise .2s ease-out;
}
@keyframes rise { from { translate: 0 24px; opacity: 0; } }
.sheet header { position: sticky; top: 0; display: flex; align-items: center; justify-content: space-between; padding: 5px 5px 0 16px; background: inherit; border-radius: inherit; z-index: 1; }
.sheet h2 { margin: 0; font-size: 15px; font-weight: 650; }
.body { padding: 0 16px 14px; }
.headline { display: flex; margin-top: -2px; align-items: baseline; gap: 8px; color: var(--soft); }
.headline strong { font-size: 26px; font-weight: 650; letter-spacing: -.02em; color: var(--ink); font-variant-numeric: tabular-nums; }
.headline span:first-child { display: none; }
figure { margin: 4px 0 0; position: relative; }
figure svg { display: block; width: 100%; height: 56px; overflow: visible; }
.line { fill: none; stroke: #5ac8fa; stroke-width: 1.6; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.area { fill: rgb(90 200 250 / 16%); }
.grid { stroke: var(--line); vector-effect: non-scaling-stroke; stroke-dasharray: 3 4; }
figcaption { font-size: 11px; color: var(--soft); font-variant-numeric: tabular-nums; display: flex; justify-content: space-between; border-top: 1px solid var(--line); padding-top: 3px; }
figcaption span:first-child { position: absolute; top: -2px; right: 0; }
.choice { display: flex; align-items: center; justify-content: space-between; gap: 12px; margin: 8px 0 4px; }
label, dt { color: var(--soft); }
select { font: inherit; color: inherit; background: rgb(255 255 255 / 10%); border: 1px solid var(--line); border-radius: 10px; min-height: 44px; padding: 0 10px; min-width: 0; max-width: 100%; text-overflow: ellipsis; }
.choice label { flex: none; }
option { background: #1b1f25; color: #fff; }
dl { margin: 0; }
.stats dl { display: grid; grid-template-columns: 1fr 1fr; column-gap: 18px; }
.stats dl div:not(.short) { grid-column: 1 / -1; }
dl div { display: flex; justify-content: space-between; gap: 16px; padding: 4px 0; border-top: 1px solid var(--line); }
dl div:first-child { border-top: 0; }
.stats .short { gap: 6px; }
.short dd { white-space: nowrap; }
dt { flex: none; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.sheet footer { display: flex; flex-wrap: wrap; gap: 8px; padding-top: 12px; }
.help dt { display: flex; gap: 6px; min-width: 92px; }
.help dl div { align-items: center; justify-content: flex-start; }
.help dd { text-align: left; }
kbd { font: 600 12px/1 ui-monospace, monospace; min-width: 26px; padding: 6px 8px; text-align: center; color: var(--ink); background: rgb(255 255 255 / 12%); border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 7px; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@container (max-width: 420px) { .pill { padding: 0 11px; } .note { padding: 8px 14px; } .bar { gap: 0; } .bar button { padding: 0 8px; } }
@container (max-width: 300px) { .badge span { display: none; } .pill span { display: none; } .bar > [part~=snapshot-button], .bar > [part~=pip-button] { display: none; } }
@container (max-height: 230px) { .note span { font-size: 12px; } .spinner { width: 30px; height: 30px; } .centre { gap: 8px; padding: 8px; } .big { width: 60px; height: 60px; } .note .text { margin: 5px 0 0; } }
@container (max-height: 150px) { .note .text { display: none; } }
@media (prefers-reduced-motion: reduce) {
  .flash, .sheet:popover-open { animation: none; }
  .spinner { animation-duration: 3s; }
  .bar, .picture, .toast, input[type=range] { transition: none; }
  button:active { scale: none; }
}
@media (forced-colors: active) { button, .note, .toast, .sheet { border: 1px solid; } }
@media print { .bar, .pill, .centre, .sheet { display: none; } }
`;
