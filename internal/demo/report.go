package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/crossfadedb/crossfade/internal/compare"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// Report is what a demonstration did and found.
type Report struct {
	Items   int    `json:"items"`
	Rate    int    `json:"rate"` // changes a second that were asked for
	Seed    uint64 `json:"seed"`
	Naive   bool   `json:"naive"`
	Changes int    `json:"changes"` // that the application made
	// Published are the rows that the snapshot published, as its facts say; Captured the changes read from the stream.
	Published int64 `json:"rows_published"`
	Captured  int64 `json:"changes_captured"`
	// What came of the records, as the streamers counted it when they committed.
	Applied    int64 `json:"applied"`
	Stale      int64 `json:"stale"`
	Duplicate  int64 `json:"duplicate"`
	Superseded int64 `json:"superseded"`
	// What is in the dlq; there must be nothing.
	DeadLetters int64    `json:"dead_letters"`
	Killed      []string `json:"killed"`   // with SIGKILL, and started again
	Restarts    int      `json:"restarts"` // of workers that had stopped themselves, as they do when the machine is too busy
	Swept       int64    `json:"swept"`    // markers
	Seconds     float64  `json:"seconds"`
	compare.Comparison
}

// OK reports that the migration did what is promised: both tables were read, and nothing bad was found.
func (r Report) OK() bool {
	return r.Compared > 0 && r.Comparison.OK() && r.DeadLetters == 0
}

func (r *Report) counts(c operate.Counts) {
	r.Applied, r.Stale, r.Duplicate, r.Superseded = c.Applied, c.Stale, c.Duplicate, c.Superseded
}

// write writes the report as one JSON object, or for a person.
func (r *Report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(r)
	}
	if _, err := fmt.Fprintf(w, "\n%s\n\n", strings.Join(r.explain(), "\n")); err != nil {
		return err
	}
	for _, example := range r.firstExamples() {
		if _, err := fmt.Fprintln(w, "  "+example); err != nil {
			return err
		}
	}
	return r.table(w)
}

// explain says in a few lines what just happened.
func (r *Report) explain() []string {
	killed := "no worker was killed"
	if len(r.Killed) > 0 {
		killed = strings.Join(r.Killed, " and ") + " were killed with SIGKILL and started again"
		if len(r.Killed) == 1 {
			killed = strings.Replace(killed, " were ", " was ", 1)
		}
	}
	text := []string{fmt.Sprintf("In %.0f s a table of %s rows moved while its application made %s changes; %s.",
		r.Seconds, count(r.Items), count(r.Changes), killed)}
	if r.Naive {
		return append(text,
			"The writes had no condition: whatever arrived last stood. Rows that the snapshot had read before a change",
			"were written after it, and a deleted row that arrived late came back. That is what a plain copy does.")
	}
	return append(text,
		fmt.Sprintf("%s records arrived after something newer of their key had been written: the condition refused them.", count(r.Stale)),
		fmt.Sprintf("%s were overtaken by a newer change of their key before they were written, so only that one was.", count(r.Superseded)),
		fmt.Sprintf("%s arrived a second time, mostly since a worker was killed between writing and committing: nothing to do.", count(r.Duplicate)),
		fmt.Sprintf("%s markers kept deleted rows dead until nothing older could arrive; then the sweep removed them.", count(r.Swept)))
}

// shownExamples is how many examples a person gets to see.
const shownExamples = 10

func (r *Report) firstExamples() []string {
	shown := make([]string, 0, shownExamples)
	for _, e := range r.Examples[:min(len(r.Examples), shownExamples)] {
		if runes := []rune(e); len(runes) > 110 {
			e = string(runes[:110]) + " …"
		}
		shown = append(shown, e)
	}
	if len(shown) > 0 {
		shown = append(shown, "")
	}
	return shown
}

// table is the end of it.
func (r *Report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range []struct {
		name  string
		count int
	}{
		{"rows compared", r.Compared},
		{"missing", r.Missing},
		{"different", r.Different},
		{"extra", r.Extra},
		{"back from the dead", r.Back},
		{"markers left", r.Markers},
	} {
		if _, err := fmt.Fprintf(t, "%s\t%s\t\n", line.name, count(line.count)); err != nil {
			return err
		}
	}
	return t.Flush()
}
