// The list of recordings: times as the viewer's clock has them. Names and addresses stay UTC.
const language = document.documentElement.lang;
const ofDay = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
const whole = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });

for (const time of document.querySelectorAll('time')) {
  time.textContent = ('ofDay' in time.dataset ? ofDay : whole).format(new Date(time.dateTime));
}
