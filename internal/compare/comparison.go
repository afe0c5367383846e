package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Comparison is what reading both tables whole showed.
type Comparison struct {
	Compared  int      `json:"rows_compared"`      // rows of the old table
	Missing   int      `json:"missing"`            // in the old table only
	Different int      `json:"different"`          // in both, and not the same
	Extra     int      `json:"extra"`              // in the new table only, and the application never deleted it
	Back      int      `json:"back_from_the_dead"` // in the new table only, and the application had deleted it
	Markers   int      `json:"markers_left"`       // in the new table
	Examples  []string `json:"examples,omitempty"` // the first ten of each of the above, in words
}

// OK reports that the tables are equal and nothing is left behind.
func (c Comparison) OK() bool {
	return c.Missing+c.Different+c.Extra+c.Back+c.Markers == 0
}

const (
	maxExamples = 10  // so many differences of a kind are described
	maxExample  = 400 // in so many bytes each
)

// Tables reads both tables, as Each does, and counts what it finds.
func Tables(ctx context.Context, old, new Reader, o Options) (Comparison, error) {
	var c Comparison
	compared, err := Each(ctx, old, new, o, c.add)
	c.Compared = compared
	slices.Sort(c.Examples) // by kind
	return c, err
}

// add counts a finding, and describes it.
func (c *Comparison) add(f Finding) {
	switch f.Outcome {
	case Equal:
	case Missing:
		c.found(&c.Missing, "missing: %s", f.Key)
	case Differs:
		c.found(&c.Different, "different: %s is %s", f.Key, f.New)
	case Extra:
		c.found(&c.Extra, "extra: %s", f.Key)
	case Undeleted:
		c.found(&c.Back, "back from the dead: %s", f.Key)
	case Marker:
		c.found(&c.Markers, "marker left: %s", f.New)
	}
}

// found counts one more of a kind and describes it.
func (c *Comparison) found(count *int, format string, args ...any) {
	if *count++; *count <= maxExamples {
		text := fmt.Sprintf(format, args...)
		if len(text) > maxExample {
			text = strings.ToValidUTF8(text[:maxExample], "") + " …"
		}
		c.Examples = append(c.Examples, text)
	}
}
