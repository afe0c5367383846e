package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// Status is what an operator wants to see of a migration: a fold of what one look has found, and a verdict on it. What is not
// known is nil, or said to be unknown; it is never zero.
type Status struct {
	Name  string           `json:"name"`
	Phase checkpoint.Phase `json:"phase"`
	From  apply.LiveFrom   `json:"live_from"`
	At    time.Time        `json:"at"` // of the look, by the clock of this process
	// Generation is the current one, and Began when it did. Segments, Rows and Capture are of this generation alone.
	Generation uint32    `json:"generation"`
	Began      time.Time `json:"began,omitzero"`
	Segments   Done      `json:"segments"`
	Rows       Done      `json:"rows"` // published; the total is the source's own estimate
	// Restart is the command that begins a new generation; empty unless the stream has a gap that is recorded.
	Restart string   `json:"restart,omitempty"`
	Marking *Marking `json:"marking,omitempty"` // nil in generation 1
	// RowsPerSecond and SecondsLeft are of the snapshot, from one look to the next; nil when that is not known.
	RowsPerSecond *float64 `json:"rows_per_second"`
	SecondsLeft   *float64 `json:"seconds_left"`
	Capture       *Capture `json:"capture,omitempty"` // nil unless changes come from the stream
	SnapshotLag   int64    `json:"snapshot_lag"`      // records published and not applied
	LiveLag       int64    `json:"live_lag"`
	// TopicProblems is what is wrong with the topics, or not known of them; empty when they are as they must be, never nil.
	// TopicsRefused says that the first of them is why no worker goes on.
	TopicProblems []string `json:"topic_problems"`
	TopicsRefused bool     `json:"topics_refused"`
	// Stopped are the partitions of which something is lost, and with it the right to go on. Never nil.
	Stopped     []string    `json:"stopped"`
	DeadLetters DeadLetters `json:"dead_letters"`
	Counts      Counts      `json:"counts"`
	Swept       int64       `json:"swept"`
	Expiry      Expiry      `json:"time_to_live"`
	// Members are the processes in each consumer group, and Unowned the partitions for which there is work and that none of
	// them holds. No list in them is nil.
	Members map[string][]Member `json:"members"`
	Unowned map[string][]string `json:"unowned"`
	Workers []Worker            `json:"workers"` // the last word of each process that has one, latest first
	// Unread is set when the look failed: all else is then from the look before.
	Unread  *Unread `json:"unread,omitempty"`
	Verdict Verdict `json:"verdict"`
}

// Done is a part of a whole.
type Done struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// Capture is how far capture is.
type Capture struct {
	Shards  int   `json:"shards"`  // that the stream lists and that are not captured to their end
	Reading int   `json:"reading"` // of these, those that have been read
	Unbegun int   `json:"unbegun"` // of these, those that nobody has begun to read
	Records int64 `json:"records"` // published
	// Confirmed is the moment before which every change of every shard is known to be published; zero while that is
	// unknown. It is the capture's clock, or the database's.
	Confirmed time.Time `json:"confirmed,omitzero"`
	// BehindSeconds is how long ago that was, by the clock of this process: what the clocks differ by is in it. It is never
	// negative, and nil while it is unknown; Unknown says why.
	BehindSeconds *float64 `json:"behind_seconds"`
	// RetentionLeftSeconds is the time left before the stream begins to forget what has not been captured; nil likewise.
	RetentionLeftSeconds *float64 `json:"retention_left_seconds"`
	Unknown              string   `json:"unknown,omitempty"`
	Position             string   `json:"position,omitempty"` // the highest one published
	Gaps                 []string `json:"gaps"`
	// Stopped says which shards cannot be captured further for another reason than a gap; they are tried again.
	Stopped []string `json:"stopped"`
}

// Marking is what is known of the rows of older generations that are not at the source.
type Marking struct {
	Waiting   string `json:"waiting,omitempty"` // what the search for them still waits for, beside the grace
	Searching bool   `json:"searching"`         // there is a snapshot worker to do it
	Done      bool   `json:"done"`
	Marked    int64  `json:"marked"` // by the search that ended
	Kept      int64  `json:"kept"`   // of an older generation and still at the source
}

// DeadLetters are the records in the dlq. One that came there twice, by a replay or after a crash, counts once.
type DeadLetters struct {
	Records int64                   `json:"records"`
	Reasons map[events.Reason]int64 `json:"reasons"`            // never nil
	AtLeast bool                    `json:"at_least,omitempty"` // there are more than were counted
}

// Expiry is what is known of the time to live of the new table's items: DynamoDB must remove none.
type Expiry struct {
	Status    string `json:"status,omitempty"` // DISABLED, ENABLING, ENABLED or DISABLING
	Attribute string `json:"attribute,omitempty"`
	Removes   bool   `json:"removes"`           // items may be removed
	Unknown   string `json:"unknown,omitempty"` // why it is not known
	// Refused is set when the credentials, or a server that is no DynamoDB, will never say it: create has said so.
	Refused bool `json:"refused,omitempty"`
}

// Counts says what became of the records that have been applied, in whole words; those of checkpoint.Counts are for where every byte counts.
type Counts struct {
	Applied    int64 `json:"applied"`
	Stale      int64 `json:"stale"`
	Duplicate  int64 `json:"duplicate"`
	AppOwned   int64 `json:"app_owned"`
	Present    int64 `json:"present"`
	Superseded int64 `json:"superseded"`
	Dead       int64 `json:"dead"`
	PastClose  int64 `json:"past_close"`
	OldGen     int64 `json:"old_generation"`
}

// Total is how many records that is.
func (c Counts) Total() int64 { return checkpoint.Counts(c).Total() }

// Member is a process in a consumer group.
type Member struct {
	Process    string         `json:"process"`
	Host       string         `json:"host"`
	Build      string         `json:"build,omitempty"` // empty if the process has not said it
	Partitions map[string]int `json:"partitions"`      // how many of each topic; never nil
}

// Worker is the last word of a worker's process, by its own clock.
type Worker struct {
	Process   string                  `json:"process"`
	Roles     []string                `json:"roles"`
	Build     string                  `json:"build"`
	Started   time.Time               `json:"started"`
	Confirmed time.Time               `json:"confirmed"` // when it last said that it is at work
	Ended     time.Time               `json:"ended,omitzero"`
	Error     *checkpoint.WorkerError `json:"error,omitempty"` // that ended it
}

// Unread says that the migration could not be read.
type Unread struct {
	Since time.Time `json:"since"` // the first look that failed
	Error string    `json:"error"`
}

// ReadStatus reads everything that the status shows. It changes nothing. That the migration has not been created, or was
// created with another configuration, is an error: there are no figures to show.
func ReadStatus(ctx context.Context, c *migration.Config) (*Status, error) {
	p, err := assembly.Open(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	s, err := NewOnlooker(p).Status(ctx)
	return s, errors.Join(err, p.Close())
}

// Onlooker looks at a migration again and again. It keeps what need not be read twice, and belongs to one goroutine.
type Onlooker struct {
	*assembly.Parts
	dead     deadCount
	expiry   Expiry
	expiryAt time.Time     // when that was asked
	patience time.Duration // with a look of a watch
}

// NewOnlooker returns one that has seen nothing yet.
func NewOnlooker(p *assembly.Parts) *Onlooker { return &Onlooker{Parts: p, patience: lookPatience} }

// Status is one look at the migration, with some patience. It changes nothing.
func (o *Onlooker) Status(ctx context.Context) (*Status, error) {
	found, err := assembly.Patiently(ctx, o.Parts, o.look)
	if err != nil {
		return nil, err
	}
	s := found.fold()
	s.Verdict = judge(s)
	return s, nil
}

// lookPatience bounds a look of a watch, so that the person who watches hears soon that nothing can be read.
const lookPatience = 10 * time.Second

// WatchStatus looks at the migration every so often and hands each status to show, until that says that it is enough,
// or ctx ends. The first one comes after two looks, so that it has rates. When the migration can no longer be read, show
// gets what was known last, marked as unread, and the looks go on; only the first look must succeed.
func WatchStatus(
	ctx context.Context, c *migration.Config, logger *slog.Logger, every time.Duration, show func(*Status) (again bool, err error),
) error {
	p, err := assembly.Open(ctx, c, logger)
	if err != nil {
		return err
	}
	return errors.Join(NewOnlooker(p).watch(ctx, every, show), p.Close())
}

func (o *Onlooker) watch(ctx context.Context, every time.Duration, show func(*Status) (again bool, err error)) error {
	last, err := o.Status(ctx)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		now := o.lookAgain(ctx, last)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the person who watched has seen enough
		}
		if again, err := show(now); !again || err != nil {
			return err
		}
		last = now
	}
}

// lookAgain is a look that cannot fail: without an answer it returns what was known last, marked as unread.
func (o *Onlooker) lookAgain(ctx context.Context, last *Status) *Status {
	ctx, cancel := context.WithTimeoutCause(ctx, o.patience, fmt.Errorf("no answer within %s", o.patience))
	defer cancel()
	now, err := o.Status(ctx)
	if err != nil {
		return last.unread(err, time.Now().UTC())
	}
	now.rates(last)
	return now
}

// unread is this status when a later look has failed.
func (s *Status) unread(err error, at time.Time) *Status {
	old := *s
	old.Unread = &Unread{Since: at, Error: err.Error()}
	if s.Unread != nil {
		old.Unread.Since = s.Unread.Since
	}
	old.Verdict = judge(&old)
	return &old
}

// rates fills in what two looks tell.
func (s *Status) rates(before *Status) {
	passed := s.At.Sub(before.At).Seconds()
	if passed <= 0 || s.Generation != before.Generation {
		return
	}
	rate := float64(s.Rows.Done-before.Rows.Done) / passed
	s.RowsPerSecond = &rate
	if missing := s.Rows.Total - s.Rows.Done; missing > 0 && rate > 0 && s.Segments.Done < s.Segments.Total {
		s.SecondsLeft = new(float64(missing) / rate)
	}
}
