package assembly

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/build"
)

// begins says which build does what to which migration: the first thing that anyone asks of a log.
func (w *worker) begins() {
	c := w.Config
	w.Logger.Info("begins", "version", build.Version(), "roles", strings.Join(w.options.roles(w.From()), "+"), "migration", c.Name,
		"generation", w.state.Generation(), "phase", w.state.Phase(), "configuration", Fingerprint(c.Fingerprint()), "grace", c.Grace,
		"brokers", strings.Join(w.Kafka.Brokers(), ","), "old table", w.Old.String(), "new table", w.New.String(), "process", w.process)
}

// roles are what a process with these options does in a migration whose changes come from there.
func (o WorkerOptions) roles(from apply.LiveFrom) (roles []string) {
	if o.snapshot {
		roles = append(roles, "snapshot")
	}
	if o.Capture && from == apply.FromStream {
		roles = append(roles, "capture")
	}
	if o.Apply {
		roles = append(roles, "apply")
	}
	return roles
}

// Fingerprint is a short hash of the fields that must not change: two workers with the same one work on the same migration.
func Fingerprint(fields map[string]string) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(hash, "%q=%q\n", name, fields[name])
	}
	return hex.EncodeToString(hash.Sum(nil))[:12]
}
