package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/compare"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// tortureGrace is short, so that a worker can be frozen for longer, and a sweep comes to its end among the faults.
const tortureGrace = 8 * time.Second

// steady is a rate at which the snapshot lasts until the first of its workers has been killed.
const steady = "max_read_units: 40"

// applicationRate is how many changes the application makes a second.
const applicationRate = 50

// TestTorture moves a table on real services while everything goes wrong that the promises allow for: in each form of
// live.from, with a sweep under way again and again. CROSSFADE_TORTURE is how long the faults go on in all, 30 s if not
// set, and longer until every kind has happened; CROSSFADE_SEED chooses them.
func TestTorture(t *testing.T) {
	t.Parallel()
	if os.Getenv("CROSSFADE_SERVICES") != "1" {
		t.Skip("set CROSSFADE_SERVICES=1 to run this on real services")
	}
	total := 30 * time.Second
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
	defer func() { t.Log("what was survived:\n" + table(ledgers)) }()
	r := &rack{dice: dice}
	r.build(t)
	forms, ran := []string{"stream", "app", "none"}, 0
	for i, form := range forms {
		ledgers = append(ledgers, &ledger{form: form, faults: map[string]int{}})
		enough := func() bool { return i < len(forms)-1 || len(missing(ledgers)) == 0 }
		t.Run(form, func(t *testing.T) {
			ran++
			torture(t, r.next(ledgers[i]), seed, total/3, enough)
		})
	}
	if !t.Failed() && ran == len(forms) { // -run may leave forms out
		require.Empty(t, missing(ledgers), "kinds of faults that never happened")
	}
}

// torture is one form: the faults go on for a while and until there were enough, in the second half with sweeps among
// them; then everything must come to its end.
func torture(t *testing.T, r *rack, seed uint64, length time.Duration, enough func() bool) {
	l := r.ledger
	r.world = newWorldAt(t, r.places(t), tortureGrace, fmt.Sprintf("live: {from: %s}", l.form), "segments: 64, at_once: 4")
	t.Cleanup(func() { r.endSpells(func(*spell) bool { return true }) }) // before the workers are asked to end, also after a failure
	r.supervise = r.superviseWorkers                                     // one that was cut off or frozen may find out when all is calm
	rows := readCities(t, 4000)
	r.load(rows)
	r.create(operate.CreateOptions{EnableStream: l.form == "stream"})

	app, finish := r.application(l.form, rows, seed)
	stopApp := r.live(app, 0)

	r.write(steady)
	r.start("streamer", 2)
	r.start("snapshot", 2)
	changes := int(length.Seconds() * applicationRate / 2)
	r.disturb(length, func() bool { return enough() && app.Done() >= changes }) // else it was easy
	r.calm()
	stopApp()
	finish()
	r.closed()
	r.quiet()
	r.sweep(operate.SweepOptions{FallbackReadsOff: l.form == "none"})
	r.quiet() // nothing comes after it
	if l.form == "none" {
		// The same application again, now on the old table: both must end as one.
		same := &demo.Application{Rows: rows, Table: r.table(r.old), Seed: seed, Rate: 1000}
		require.NoError(t, same.Run(t.Context(), app.Done()))
	}
	var err error
	l.changes = app.Done()
	l.comparison, err = compare.Tables(t.Context(), r.old, r.new, compare.Options{Schema: schema, Names: assembly.Attributes(r.config), Deleted: app.Deleted})
	require.NoError(t, err)
	require.True(t, l.comparison.OK(), "%+v", l.comparison)
	require.Zero(t, r.status().DeadLetters.Records)
	require.Greater(t, l.comparison.Compared, rows.Len()/2, "else it was easy")
	require.GreaterOrEqual(t, l.changes, changes, "else it was easy")
}

// application is the one that the form demands; finish ends what it needs.
func (r *rack) application(form string, rows *cities, seed uint64) (app *demo.Application, finish func()) {
	app = &demo.Application{Rows: rows, Table: r.table(r.old), Seed: seed, Rate: applicationRate}
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

// disturb makes one fault after the other, of which some last while others come, and in the second half lets sweeps run
// among them.
func (r *rack) disturb(length time.Duration, enough func() bool) {
	began := time.Now()
	more := func() bool {
		passed := time.Since(began)
		return passed < length || !enough() && passed < length+hung
	}
	time.Sleep(r.dice.between(200*time.Millisecond, 1500*time.Millisecond))
	r.begin(killSnapshot) // that one first: later they may have ended their work
	for more() {
		if r.dice.turnOver() {
			r.lull(length / 8)
		}
		r.endDue()
		if f, found := r.dice.next(r.taken); found {
			r.begin(f)
		}
		r.tend(time.Since(began) > length/2)
		time.Sleep(r.dice.between(0, time.Second))
	}
}

// tend is what happens beside the faults.
func (r *rack) tend(sweeping bool) {
	r.supervise()
	if sweeping {
		r.tendSweep()
	}
}

// lull is a while without faults, long enough for a sweep to come to its end if the run is long.
func (r *rack) lull(length time.Duration) {
	r.endSpells(func(*spell) bool { return true })
	for end := time.Now().Add(min(length, 3*tortureGrace)); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		r.tend(r.sweeper != nil)
	}
}

// begin makes a fault, if it can be made.
func (r *rack) begin(f fault) {
	s, made := f.begin(r)
	if made {
		r.ledger.faults[f.name]++
	}
	if s != nil {
		r.spells = append(r.spells, s)
	}
}

// taken reports whether a fault lasts at this place.
func (r *rack) taken(place string) bool {
	return slices.ContainsFunc(r.spells, func(s *spell) bool { return s.place == place })
}

// endDue ends the faults that have had their time.
func (r *rack) endDue() {
	now := time.Now()
	r.endSpells(func(s *spell) bool { return !now.Before(s.until) })
}

func (r *rack) endSpells(which func(*spell) bool) {
	r.spells = slices.DeleteFunc(r.spells, func(s *spell) bool {
		if !which(s) {
			return false
		}
		s.end()
		return true
	})
}

// calm ends all faults. A sweep that still runs is ended too: another one follows.
func (r *rack) calm() {
	r.endSpells(func(*spell) bool { return true })
	r.supervise()
	for _, left := range r.leaving {
		d := <-left
		r.excuse(d.err, d.log)
	}
	if r.sweeper != nil {
		require.NoError(r.t, r.sweeper.Kill())
		r.sweeper = nil
	}
}

// superviseWorkers starts the workers again that have ended, as a supervisor does, if they may have ended as they did.
func (r *rack) superviseWorkers() {
	for _, p := range r.workers {
		ended, err := p.Ended()
		if !ended || err == nil {
			continue // a snapshot worker whose work is done
		}
		r.excuse(err, p.Log())
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
			r.ledger.sweepsEnded++
		case exitStatus(err) == cli.Outside:
			r.ledger.sweepsGaveUp++ // it asks a person to run it again
		default:
			require.NoError(r.t, err, "nothing excuses this end of a sweep")
		}
	}
	argv := []string{filepath.Join(bin, "crossfade"), "sweep", "-f", r.file}
	if r.config.Live.From == "none" {
		argv = append(argv, "--fallback-reads-off")
	}
	var err error
	r.sweeper, err = demo.StartProcess("sweep", argv, nil)
	require.NoError(r.t, err)
	r.ledger.sweeps++
}

// excuse requires that a worker may have ended like this, and counts it. It may when it was cut off or frozen, or could not
// reach the services while it joined: it says so, and whoever watches over it starts it again.
func (r *rack) excuse(err error, log string) {
	r.t.Helper()
	if err == nil {
		return
	}
	cutOff := strings.Contains(err.Error(), "the control log could not be read for") // for half of the grace
	joining := exitStatus(err) == cli.Outside && !begun(log)
	require.True(r.t, cutOff || joining, "nothing excuses this end: %v", err)
	r.ledger.gaveUp++
}

// begun reports whether a worker has begun its work since it last joined.
func begun(log string) bool {
	return strings.Contains(log[max(0, strings.LastIndex(log, "; joining")):], "msg=begins")
}

// exitStatus is that of a process that has ended with this error.
func exitStatus(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// ledger is what a form went through.
type ledger struct {
	form         string
	changes      int
	gaveUp       int
	sweeps       int // that were begun
	sweepsEnded  int
	sweepsGaveUp int
	faults       map[string]int
	comparison   compare.Comparison
}

// missing are the kinds of faults that are in no ledger.
func missing(ledgers []*ledger) []string {
	var names []string
	for _, f := range faults {
		if !slices.ContainsFunc(ledgers, func(l *ledger) bool { return l.faults[f.name] > 0 }) {
			names = append(names, f.name)
		}
	}
	return names
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
	line("sweeps begun", func(l *ledger) any { return l.sweeps })
	line("sweeps that came to their end", func(l *ledger) any { return l.sweepsEnded })
	line("sweeps that gave up", func(l *ledger) any { return l.sweepsGaveUp })
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
