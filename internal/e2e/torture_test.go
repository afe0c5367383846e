package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/demo"
)

// tortureGrace is short, so that a worker can be frozen for longer, and a sweep comes to its end among the faults.
const tortureGrace = 8 * time.Second

// TestTorture moves a table on real services while everything goes wrong that the promises allow for: in each form of
// live.from, with a sweep under way again and again. CROSSFADE_TORTURE is how long the faults go on in all, 90 s if not
// set; CROSSFADE_SEED chooses them.
func TestTorture(t *testing.T) {
	if os.Getenv("CROSSFADE_SERVICES") != "1" {
		t.Skip("set CROSSFADE_SERVICES=1 to run this on real services")
	}
	total := 90 * time.Second
	if text := os.Getenv("CROSSFADE_TORTURE"); text != "" {
		var err error
		total, err = time.ParseDuration(text)
		require.NoError(t, err, "CROSSFADE_TORTURE")
	}
	seed := rand.Uint64N(1_000_000)
	if text := os.Getenv("CROSSFADE_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "CROSSFADE_SEED")
	}
	t.Logf("the dice and the application are those of CROSSFADE_SEED=%d, for CROSSFADE_TORTURE=%s; when each fault comes depends on the machine", seed, total)
	var ledgers []*ledger
	dice := &dice{random: rand.New(rand.NewPCG(seed, seed))}
	for _, form := range []string{"stream", "app", "none"} {
		t.Run(form, func(t *testing.T) { ledgers = append(ledgers, torture(t, form, seed, dice, total/3)) })
	}
	t.Log("what was survived:\n" + table(ledgers))
	for _, f := range faults {
		times := 0
		for _, l := range ledgers {
			times += l.faults[f.name]
		}
		// All kinds take their turn within a minute; when a form is left out, or the time is shorter, some may be missing.
		if len(ledgers) == 3 && total >= 90*time.Second {
			require.Positive(t, times, "%s: time enough, and it never happened", f.name)
		}
	}
}

// torture is one form: the faults go on for a while; then everything must come to its end.
func torture(t *testing.T, form string, seed uint64, dice *dice, length time.Duration) *ledger {
	r := &rack{ledger: &ledger{form: form, faults: map[string]int{}}, dice: dice}
	at := r.build(t)
	r.world = newWorldAt(t, at, tortureGrace, fmt.Sprintf("live: {from: %s}\nsnapshot: {segments: 64, at_once: 4}\n", form))
	rows := readCities(t, 4000)
	r.load(rows)
	r.create(assembly.CreateOptions{EnableStream: form == "stream"})

	app, finish := r.application(form, rows, seed)
	stopApp := r.live(app)

	r.start("streamer", 2)
	r.start("snapshot", 2)
	r.disturb(length)
	r.calm()
	stopApp()
	finish()
	r.closed(3 * time.Minute)
	r.quiet(3 * time.Minute)
	r.sweep(assembly.SweepOptions{FallbackReadsOff: form == "none"})
	r.quiet(time.Minute) // nothing comes after it
	if form == "none" {
		// The same application again, now on the old table: both must end as one.
		same := &demo.Application{Rows: rows, Table: r.table(r.old), Seed: seed, Rate: 1000}
		require.NoError(t, same.Run(t.Context(), app.Done()))
	}
	c, err := demo.Compare(t.Context(), r.old, r.new, schema, assembly.Attributes(r.config), app.Deleted)
	require.NoError(t, err)
	r.ledger.changes, r.ledger.comparison = app.Done(), c
	require.True(t, c.OK(), "%+v", c)
	require.Zero(t, r.status().DeadLetters)
	return r.ledger
}

// application is the one that the form demands; finish ends what it needs.
func (r *rack) application(form string, rows *cities, seed uint64) (app *demo.Application, finish func()) {
	app = &demo.Application{Rows: rows, Table: r.table(r.old), Seed: seed, Rate: 50}
	switch form {
	case "app":
		clients := startDual(r.t, r.world)
		app.Table = clients
		return app, func() { clients.close(r.t) }
	case "none":
		table := r.table(r.new)
		table.Tombstones = r.config.Attributes.Deleted
		app.Table = table
	}
	return app, func() {}
}

// disturb makes one fault after the other, and lets sweeps run among them.
func (r *rack) disturb(length time.Duration) {
	end := time.Now().Add(length)
	time.Sleep(r.dice.between(time.Second, 3*time.Second))
	for f := killSnapshot; time.Now().Before(end); f = r.dice.next() { // that one first: they have little time
		if f.make(r) {
			r.ledger.faults[f.name]++
		}
		r.tend()
		r.tendSweep()
		time.Sleep(r.dice.between(0, 500*time.Millisecond))
	}
}

// calm ends all faults. A sweep that still runs is ended too: another one follows.
func (r *rack) calm() {
	r.kafkaProxy.heal(r.t)
	r.databaseProxy.heal(r.t)
	r.tend()
	if r.sweeper != nil {
		require.NoError(r.t, r.sweeper.Kill())
		r.sweeper = nil
	}
}

// tend starts the workers again that have ended, as a supervisor does, if they may have ended as they did.
func (r *rack) tend() {
	for _, p := range r.workers {
		ended, err := p.Ended()
		if !ended || err == nil {
			continue // a snapshot worker whose work is done
		}
		r.ledger.excuse(r.t, err)
		r.again(p)
	}
}

// tendSweep lets a sweep run, one after the other.
func (r *rack) tendSweep() {
	if r.sweeper != nil {
		ended, err := r.sweeper.Ended()
		switch {
		case !ended:
			return
		case err == nil:
			r.ledger.sweeps++
		default:
			r.ledger.excuse(r.t, err)
		}
	}
	argv := []string{filepath.Join(bin, "crossfade"), "sweep", "-f", r.file}
	if r.config.Live.From == "none" {
		argv = append(argv, "--fallback-reads-off")
	}
	var err error
	r.sweeper, err = demo.StartProcess("sweep", argv, nil)
	require.NoError(r.t, err)
}

// ledger is what a form went through.
type ledger struct {
	form       string
	changes    int
	sweeps     int
	gaveUp     int
	faults     map[string]int
	comparison demo.Comparison
}

// excused are the ends that a worker may come to when it is cut off or frozen: it says so, and whoever watches over it
// starts it again.
var excused = []string{
	"the control log could not be read for", // for half of the grace
	"exit status 3",                         // while it was starting: something outside did not answer
}

// excuse requires that a worker may have ended like this.
func (l *ledger) excuse(t *testing.T, err error) {
	t.Helper()
	if !slices.ContainsFunc(excused, func(text string) bool { return strings.Contains(err.Error(), text) }) {
		require.NoError(t, err, "nothing excuses this end")
	}
	l.gaveUp++
}

// table prints ledgers side by side.
func table(ledgers []*ledger) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, value func(*ledger) any) {
		fmt.Fprint(w, name, "\t")
		for _, l := range ledgers {
			fmt.Fprint(w, value(l), "\t")
		}
		fmt.Fprintln(w)
	}
	line("live.from", func(l *ledger) any { return l.form })
	kinds := map[string]bool{}
	for _, f := range faults {
		kinds[f.name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		line(name, func(l *ledger) any { return l.faults[name] })
	}
	line("workers that gave up, and were started again", func(l *ledger) any { return l.gaveUp })
	line("sweeps that came to their end meanwhile", func(l *ledger) any { return l.sweeps })
	line("changes of the application", func(l *ledger) any { return l.changes })
	line("rows compared", func(l *ledger) any { return l.comparison.Compared })
	line("missing", func(l *ledger) any { return l.comparison.Missing })
	line("different", func(l *ledger) any { return l.comparison.Different })
	line("extra", func(l *ledger) any { return l.comparison.Extra })
	line("back from the dead", func(l *ledger) any { return l.comparison.Back })
	line("markers left", func(l *ledger) any { return l.comparison.Markers })
	_ = w.Flush() // into memory
	return text.String()
}
