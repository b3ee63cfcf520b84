// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package browser

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/cohorts"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

// address returns where the page is: of a running Collector, or of a server of the test's own.
func address(t *testing.T) string {
	t.Helper()
	if running := os.Getenv("PAGE_URL"); running != "" {
		return strings.TrimSuffix(running, "/") + "/"
	}
	return serve(t, population()).url("")
}

// answer is what the Stats API says.
type answer struct {
	Began     int64
	Open      int64
	Completed struct {
		Verifications int64
		OfBegan       *float64 `json:"of_began"`
	}
	TimeToComplete struct{ P50 *float64 } `json:"time_to_complete"`
	Stages         []struct {
		Stage      string
		Passed     *int64
		OfBegan    *float64 `json:"of_began"`
		OfPrevious *float64 `json:"of_previous"`
	}
}

func ask(t *testing.T, address string) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var a answer
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&a))
	return &a
}

func text(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'g', -1, 64)
}

func TestNumbersEqualTheAPI(t *testing.T) {
	at := address(t)
	for _, query := range []string{"?from=7d&to=1h", "?from=3d&to=1h&external_tracker=newsletter&external_tracker=", "?from=2h&to=1h&time_zone=Asia/Kathmandu"} {
		want := ask(t, at+"api/v1/funnel"+query)
		b := open(t, at+query)
		values := func(of string) []string {
			return eval[[]string](b, `[...document.querySelectorAll("`+of+`")].map((e) => e.value)`)
		}
		assert.Equal(t, []string{
			strconv.FormatInt(want.Began, 10), text(want.Completed.OfBegan), strconv.FormatInt(want.Completed.Verifications, 10),
			text(want.TimeToComplete.P50), strconv.FormatInt(want.Open, 10),
		}, values(".tiles data"))
		var funnel []string
		for _, s := range want.Stages {
			if s.Passed != nil {
				funnel = append(funnel, strconv.FormatInt(*s.Passed, 10), text(s.OfBegan), text(s.OfPrevious))
			}
		}
		assert.Equal(t, funnel, values(".funnel data"))
	}
}

func TestRangeTrackerAndZoneAreChosen(t *testing.T) {
	b := open(t, serve(t, population()).url(""))
	b.follow(chromedp.Click(`//a[text()="7 days"]`))
	assert.Equal(t, "?from=7d", eval[string](b, "location.search"))
	assert.Equal(t, "7 days", eval[string](b, `document.querySelector(".ranges [aria-current]").textContent`))

	b.unfold("trackers-choice")
	b.follow(chromedp.Click(`//ul[@id="tracker-links"]//a[.//bdi="newsletter"]`))
	b.unfold("trackers-choice")
	b.follow(chromedp.Click(`//ul[@id="tracker-links"]//a[.//bdi="app-store"]`))
	assert.Equal(t, "?from=7d&external_tracker=newsletter&external_tracker=app-store", eval[string](b, "location.search"))
	assert.Equal(t, "Tracker: 2 chosen", eval[string](b, `document.querySelector("#trackers-choice summary").textContent`))
	assert.Equal(t, []string{"newsletter", "app-store"}, eval[[]string](b, `[...document.querySelectorAll("#trackers-scroll tbody a")].map((e) => e.textContent)`))

	b.unfold("range-choice")
	b.run(chromedp.SetValue(chromedp.CSS("#time-zone"), "America/New_York"))
	b.follow(chromedp.Click(`//button[text()="Use this time zone"]`))
	assert.Equal(t, "from=7d&external_tracker=newsletter&external_tracker=app-store&time_zone=America/New_York", eval[string](b, "decodeURIComponent(location.search.slice(1))"))

	b.unfold("range-choice")
	assert.Regexp(t, `-0[45]:00$`, eval[string](b, `document.getElementById("from").value`), "in the zone that is chosen")
	b.run(chromedp.SetValue(chromedp.CSS("#from"), "48h"), chromedp.SetValue(chromedp.CSS("#to"), "24h"))
	b.follow(chromedp.Click(`//button[text()="Show this range"]`))
	assert.Equal(t, "external_tracker=newsletter&external_tracker=app-store&time_zone=America/New_York&from=48h&to=24h", eval[string](b, "decodeURIComponent(location.search.slice(1))"))
	assert.Empty(t, eval[string](b, `document.querySelector(".problem")?.textContent ?? ""`))
}

func TestTheZoneOfTheBrowserIsOffered(t *testing.T) {
	b := open(t, serve(t, population()).url("?from=7d"), command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Australia/Lord_Howe"}))
	b.unfold("range-choice")
	assert.Equal(t, "Use that of this browser: Australia/Lord_Howe", eval[string](b, `document.getElementById("browser-zone").textContent`))
	b.follow(chromedp.Click(chromedp.CSS("#browser-zone")))
	assert.Equal(t, "?from=7d&time_zone=Australia%2FLord_Howe", eval[string](b, "location.search"))
	assert.True(t, eval[bool](b, `document.getElementById("browser-zone").hidden`))
}

func TestFreshNumbersChangeNothingElse(t *testing.T) {
	s := population()
	b := open(t, serve(t, s).url("?from=7d"))
	began := eval[string](b, `document.getElementById("began").value`)
	b.run(script(`document.getElementById("trackers-choice").open = true; document.getElementById("points").open = true;
		document.getElementById("points-scroll").scrollTop = 150; document.getElementById("tracker-2").focus();
		document.getElementById("from").value = "half typed"; window.scrollTo(0, 1234); window.marked = document.getElementById("tracker-2")`))
	const state = `[scrollY, document.getElementById("points-scroll").scrollTop, document.activeElement === window.marked, document.getElementById("points").open,
		document.getElementById("trackers-choice").open, document.getElementById("from").value, location.search].join()`
	before := eval[string](b, state)
	require.Equal(t, "1234,150,true,true,true,half typed,?from=7d", before)

	now := time.Now()
	s.Add(now, now.Add(-time.Hour), "brand new", cohorts.Open, 5, "verification_initialized", "verification_started")
	b.wait(`document.getElementById("began").value !== "` + began + `"`) // by itself
	assert.Equal(t, before, eval[string](b, state))
	assert.Contains(t, eval[string](b, `document.getElementById("trackers-scroll").textContent`), "brand new")
	assert.Contains(t, eval[string](b, `document.getElementById("tracker-links").textContent`), "brand new")
	assert.Empty(t, eval[string](b, `document.getElementById("state").textContent`))
}

func TestTheCollectorGoesAndComesBack(t *testing.T) {
	s := population()
	server := serve(t, s)
	b := open(t, server.url("?from=7d"))
	b.ignore = "ERR_CONNECTION_REFUSED"
	began := eval[string](b, `document.getElementById("began").value`)
	server.stop()
	b.refresh()
	b.wait(`document.getElementById("state").textContent.includes("cannot be reached")`)
	assert.Equal(t, began, eval[string](b, `document.getElementById("began").value`), "the last numbers stay")
	now := time.Now()
	s.Add(now, now.Add(-time.Hour), "", cohorts.Open, 5, "verification_initialized")
	server.start()
	b.wait(`document.getElementById("state").textContent === "" && document.getElementById("began").value !== "` + began + `"`)
}

func TestHostileTrackersAreText(t *testing.T) {
	now := time.Now()
	s := statstest.New(50, now)
	for _, tracker := range statstest.Hostile() {
		s.Add(now, now.Add(-time.Hour), tracker, cohorts.Open, 5, "verification_initialized", "<b>stage</b>")
	}
	at := serve(t, s).url("")
	b := open(t, at)
	b.unfold("trackers-choice")
	shown := eval[[]string](b, `[...document.querySelectorAll("#trackers-scroll tbody bdi")].map((e) => e.textContent)`)
	assert.Len(t, shown, len(statstest.Hostile()))
	assert.Contains(t, shown, `<script>alert(1)</script>`)
	assert.Contains(t, shown, `nul\u0000 escape\u001b[31m`)
	assert.LessOrEqual(t, eval[int](b, "document.documentElement.scrollWidth"), 1280)
	for _, name := range shown {
		b.follow(script(`[...document.querySelectorAll("#trackers-scroll tbody a")].find((a) => a.textContent === ` + quoted(name) + `).click()`))
		assert.Equal(t, "1", eval[string](b, `document.getElementById("began").value`), name)
		b.run(chromedp.Navigate(at))
	}
}

// quoted returns a string as JavaScript writes it.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestKeyboardAlone(t *testing.T) {
	b := open(t, serve(t, population()).url(""))
	press := func(keys string) { b.run(chromedp.KeyEvent(keys)) }
	focused := func() string { return eval[string](b, "document.activeElement.innerText ?? document.activeElement.id") }
	press(kb.Tab)
	assert.Equal(t, "Skip to the numbers", focused())
	assert.True(t, eval[bool](b, "document.activeElement.getBoundingClientRect().left >= 0"), "it is visible now")
	press(kb.Enter)
	assert.Equal(t, "numbers", eval[string](b, "document.activeElement.id"))
	b.follow(chromedp.Reload())

	press(kb.Tab)
	for _, want := range []string{"Last hour", "24 hours", "7 days"} {
		press(kb.Tab)
		assert.Equal(t, want, focused())
		assert.NotEqual(t, "none", eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"))
	}
	b.follow(chromedp.KeyEvent(kb.Enter))
	assert.Equal(t, "?from=7d", eval[string](b, "location.search"))

	for !strings.HasPrefix(focused(), "Tracker:") {
		press(kb.Tab)
	}
	press(kb.Enter)
	press(kb.Tab) // all
	press(kb.Tab)
	first := eval[string](b, `document.activeElement.querySelector("bdi").textContent`)
	b.follow(chromedp.KeyEvent(kb.Enter))
	assert.Contains(t, eval[string](b, `document.querySelector(".lead").innerText`), "Only "+first)

	for !strings.HasPrefix(focused(), "Any range") {
		press(kb.Tab)
	}
	press(kb.Enter)
	for eval[string](b, "document.activeElement.id") != "time-zone" {
		press(kb.Tab)
	}
	b.run(script("document.activeElement.select()"), chromedp.KeyEvent("Asia/Tokyo"))
	b.follow(chromedp.KeyEvent(kb.Enter))
	assert.Contains(t, eval[string](b, `document.querySelector(".asof").innerText`), "Asia/Tokyo")
}

func TestWithoutScripts(t *testing.T) {
	b := open(t, serve(t, population()).url("?from=7d"), command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	assert.NotEmpty(t, eval[string](b, `document.getElementById("began").value`))
	assert.True(t, eval[bool](b, `document.getElementById("browser-zone").hidden`))
	b.unfold("range-choice")
	b.run(chromedp.SetValue(chromedp.CSS("#time-zone"), "Asia/Tokyo"))
	b.run(chromedp.Click(`//button[text()="Use this time zone"]`), chromedp.WaitReady(`//input[@id="time-zone" and @value="Asia/Tokyo"]`))
	assert.Equal(t, "?from=7d&time_zone=Asia%2FTokyo", eval[string](b, "location.search"))
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	b := open(t, serve(t, population()).url(""))
	b.ignore = "400 (Bad Request)"
	b.follow(chromedp.Navigate("http://" + b.host + "/?from=yesterday&utm_source=mail"))
	assert.Contains(t, eval[string](b, "document.body.innerText"), `from: "yesterday" is no time; use an RFC 3339 time`)
	b.follow(chromedp.Click(`//a[text()="Show the last 24 hours"]`))
	assert.NotEmpty(t, eval[string](b, `document.getElementById("began").value`))
}

func TestNothingHasCome(t *testing.T) {
	s := statstest.New(50, time.Now())
	b := open(t, serve(t, s).url(""))
	assert.Contains(t, eval[string](b, "document.body.innerText"), "verifyyougen send --stage verification_initialized")
	s.Add(time.Now(), time.Now(), "", cohorts.Open, 5, "verification_initialized")
	b.wait(`document.getElementById("began")?.value === "1"`)
}

// contrasts returns each text on the page whose contrast to what is behind it is less than 4.5 to 1 (WCAG 2, 1.4.3).
const contrasts = `(() => {
	const parse = (c) => c.match(/[\d.]+/g).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
	const faint = [];
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || e.closest("svg") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
		if ((a + .05) / (b + .05) < 4.5) faint.push(e.outerHTML.slice(0, 80) + " " + ((a + .05) / (b + .05)).toFixed(2));
	}
	return faint;
})()`

// nameless returns what a screen reader could not name.
const nameless = `[
	...[...document.querySelectorAll("input:not([type=hidden])")].filter((e) => !e.labels.length),
	...[...document.querySelectorAll("a, button, summary, th")].filter((e) => e.checkVisibility() && !e.textContent.trim()),
	...[...document.querySelectorAll("th")].filter((e) => !e.scope),
	...[...document.querySelectorAll("[aria-labelledby], [aria-describedby]")].filter((e) => !document.getElementById(e.getAttribute("aria-labelledby") ?? e.getAttribute("aria-describedby"))),
	...[...document.querySelectorAll("svg")].filter((e) => !e.closest("[aria-hidden=true]")),
	...[...document.querySelectorAll("[id]")].filter((e) => document.querySelectorAll("#" + CSS.escape(e.id)).length > 1),
].map((e) => e.outerHTML.slice(0, 100))`

func TestLooks(t *testing.T) {
	at := address(t)
	for _, look := range []struct {
		name, scheme  string
		width, height int64
		scale         float64
	}{
		{"page-light", "light", 1280, 1080, 1.5},
		{"page-dark", "dark", 1280, 1080, 1.5},
		{"page-phone", "light", 390, 844, 2},
		{"page-phone-dark", "dark", 360, 800, 2},
		{"page-wide", "light", 2200, 1200, 1},
	} {
		t.Run(look.name, func(t *testing.T) {
			b := open(t, at+"?from=7d", chromedp.EmulateViewport(look.width, look.height, chromedp.EmulateScale(look.scale)), colorScheme(look.scheme))
			assert.Equal(t, look.width, eval[int64](b, "document.documentElement.scrollWidth"), "nothing stands out at the side")
			shoot(b, look.name, chromedp.CaptureScreenshot())
			shoot(b, look.name+"-whole", chromedp.FullScreenshot(100))
			b.run(script(`document.querySelectorAll("details").forEach((d) => { d.open = true; })`))
			assert.Empty(t, eval[[]string](b, contrasts))
			assert.Empty(t, eval[[]string](b, nameless))
			levels := eval[[]string](b, `[...document.querySelectorAll("h1, h2, h3")].map((e) => e.localName)`)
			assert.Equal(t, "h1", levels[0])
			assert.False(t, slices.Contains(levels[1:], "h1"))
		})
	}
}

// shoot writes a picture of the page if there is a folder for it.
func shoot(b *tab, name string, capture chromedp.Action[[]byte]) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), value(b, capture), 0o600))
}
