package assembly

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// retention is how long DynamoDB keeps a stream record.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
const retention = 24 * time.Hour

// Done is a part of a whole.
type Done struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// Capture is how far capture is.
type Capture struct {
	Shards  int   `json:"shards"` // known and not done
	Reading int   `json:"reading"`
	Records int64 `json:"records"`
	// Confirmed is the oldest confirmation among the open shards: everything older has been published.
	Confirmed time.Time `json:"confirmed,omitzero"`
	// BehindSeconds is the age of that confirmation, or of the last record that a shard returned if that is more.
	BehindSeconds float64 `json:"behind_seconds"`
	// RetentionLeftSeconds is the time left before the stream begins to forget what has not been captured.
	RetentionLeftSeconds float64  `json:"retention_left_seconds"`
	Position             string   `json:"position,omitempty"` // the highest one published
	Gaps                 []string `json:"gaps,omitempty"`
	// Stopped says which shards cannot be captured further for another reason than a gap; they are tried again.
	Stopped []string `json:"stopped,omitempty"`
}

// Marking is what is known of the rows of older generations that are not at the source.
type Marking struct {
	Waiting   string `json:"waiting,omitempty"` // what the search for them still waits for, beside the grace
	Searching bool   `json:"searching"`         // there is a snapshot worker to do it
	Done      bool   `json:"done"`
	Marked    int64  `json:"marked"` // by the search that ended
	Kept      int64  `json:"kept"`   // of an older generation and still at the source
}

// Status is what an operator wants to see of a migration.
type Status struct {
	Name  string           `json:"name"`
	Phase checkpoint.Phase `json:"phase"`
	At    time.Time        `json:"at"`
	// Generation is the current one, and Began when it did. Segments, Rows and Capture are of this generation alone.
	Generation uint32    `json:"generation"`
	Began      time.Time `json:"began,omitzero"`
	Segments   Done      `json:"segments"`
	Rows       Done      `json:"rows"` // published; the total is the source's own estimate
	// Restart is the command that begins a new generation; empty unless the stream has a gap.
	Restart string   `json:"restart,omitempty"`
	Marking *Marking `json:"marking,omitempty"` // nil in generation 1
	// RowsPerSecond and SecondsLeft are of the snapshot, from one look to the next; 0 when that is not known.
	RowsPerSecond float64                   `json:"rows_per_second"`
	SecondsLeft   float64                   `json:"seconds_left"`
	Capture       *Capture                  `json:"capture,omitempty"`
	SnapshotLag   int64                     `json:"snapshot_lag"` // records published and not applied
	LiveLag       int64                     `json:"live_lag"`
	DeadLetters   int64                     `json:"dead_letters"` // records in the dlq
	Counts        apply.Counts              `json:"counts"`
	Swept         int64                     `json:"swept"`
	Members       map[string][]kafka.Member `json:"members"` // by consumer group
	// TopicProblems is what is wrong with the topics, or not known of them; empty when they are as they must be.
	TopicProblems []string `json:"topic_problems,omitempty"`
}

// ReadStatus reads everything that the status shows. It changes nothing.
func ReadStatus(ctx context.Context, c *migration.Config) (*Status, error) {
	p, err := Open(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	s, err := p.Status(ctx)
	return s, errors.Join(err, p.Close())
}

// WatchStatus looks at the migration every so often and hands each status to show, until that says that it is enough,
// or ctx ends. The first one comes after two looks, so that it has rates.
func WatchStatus(
	ctx context.Context, c *migration.Config, logger *slog.Logger, every time.Duration, show func(*Status) (again bool, err error),
) error {
	p, err := Open(ctx, c, logger)
	if err != nil {
		return err
	}
	return errors.Join(p.watchStatus(ctx, every, show), p.Close())
}

func (p *Parts) watchStatus(ctx context.Context, every time.Duration, show func(*Status) (again bool, err error)) error {
	before, err := p.Status(ctx)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		now, err := p.Status(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the person who watched has seen enough
			}
			return err
		}
		now.rates(before)
		if again, err := show(now); !again || err != nil {
			return err
		}
		before = now
	}
}

// rates fills in what two looks tell.
func (s *Status) rates(before *Status) {
	if passed := s.At.Sub(before.At).Seconds(); passed > 0 {
		s.RowsPerSecond = float64(s.Rows.Done-before.Rows.Done) / passed
	}
	if missing := s.Rows.Total - s.Rows.Done; missing > 0 && s.RowsPerSecond > 0 && s.Segments.Done < s.Segments.Total {
		s.SecondsLeft = float64(missing) / s.RowsPerSecond
	}
}

// Status reads everything that the status shows. It changes nothing.
func (p *Parts) Status(ctx context.Context) (s *Status, err error) {
	err = p.patiently(ctx, func(ctx context.Context) error {
		s, err = p.look(ctx)
		return err
	})
	return s, err
}

func (p *Parts) look(ctx context.Context) (*Status, error) {
	s := &Status{Name: p.Config.Name, Phase: checkpoint.NotCreated, At: time.Now().UTC()}
	state, err := p.state(ctx)
	if err != nil || state.Created == nil {
		return s, err
	}
	s.Phase, s.Swept, s.Generation, s.Began = state.Phase(), state.Removed, state.Generation(), state.Began
	s.TopicProblems = p.topicProblems(ctx, state)
	facts := p.facts()
	if err := facts.Refresh(ctx); err != nil {
		return s, err
	}
	s.snapshot(state, facts)
	if p.from() == apply.FromStream {
		s.Capture = captureStatus(facts.Shards(state.Generation()), s.At)
		if len(s.Capture.Gaps) > 0 {
			s.Restart = p.restartCommand()
		}
	}
	return s, errors.Join(p.lags(ctx, s, applied(facts, state.Epoch)), p.members(ctx, s), p.marking(ctx, s, state))
}

// marking fills in what there is to say in a generation above others.
func (p *Parts) marking(ctx context.Context, s *Status, state checkpoint.State) error {
	switch {
	case !state.Searches():
		return nil
	case state.Marked != nil:
		s.Marking = &Marking{Done: true, Marked: state.Marked.Marked, Kept: state.Marked.Kept}
		return nil
	}
	logs, err := p.frontiers().logs(ctx)
	// Of the grace only the process that searches knows, for it counts it on its own clock.
	s.Marking = &Marking{
		Waiting:   snapshot.Unmet(state, logs.SnapshotCommitted, p.Config.Grace, p.Config.Grace),
		Searching: len(s.Members[p.Config.Name+".snapshot"]) > 0,
	}
	return err
}

func (s *Status) snapshot(state checkpoint.State, facts *checkpoint.Facts) {
	s.Segments.Total, s.Rows.Total = int64(state.Created.Segments), state.EstimatedItems()
	for _, f := range facts.Segments(state.Generation()) {
		s.Rows.Done += f.Items
		if f.Done {
			s.Segments.Done++
		}
	}
}

// captureStatus folds the shards' facts. It is pure.
func captureStatus(shards map[string]checkpoint.ShardFact, now time.Time) *Capture {
	c := &Capture{RetentionLeftSeconds: retention.Seconds(), Gaps: gapsOf(shards), Stopped: stoppedOf(shards)}
	var highest events.Position
	for _, f := range shards {
		c.Records += f.Records
		highest = max(highest, f.Position)
		if f.Done || f.Before {
			continue // nothing more to come from it
		}
		c.Shards++
		if f.Confirmed.IsZero() {
			continue // not read yet
		}
		c.Reading++
		if c.Confirmed.IsZero() || f.Confirmed.Before(c.Confirmed) {
			c.Confirmed = f.Confirmed
		}
		c.BehindSeconds = max(c.BehindSeconds, f.Behind.Seconds(), now.Sub(f.Confirmed).Seconds())
	}
	c.Position = highest.Number()
	c.RetentionLeftSeconds = max(0, retention.Seconds()-c.BehindSeconds)
	return c
}

func (p *Parts) lags(ctx context.Context, s *Status, progress map[events.TopicPartition]apply.Progress) error {
	lag := func(topic string) (int64, error) {
		ends, err := p.Kafka.EndOffsets(ctx, topic)
		total := int64(0)
		for n, end := range ends {
			total += end - progress[events.TopicPartition{Topic: topic, Partition: n}].Offset
		}
		return total, err
	}
	for _, at := range progress {
		s.Counts = s.Counts.Add(at.Counts)
	}
	var err1, err2 error
	s.SnapshotLag, err1 = lag(p.Topics.Snapshot)
	s.LiveLag, err2 = lag(p.Topics.Live)
	dead, err3 := p.Kafka.EndOffsets(ctx, p.Topics.DLQ)
	s.DeadLetters = dead[0]
	return errors.Join(err1, err2, err3)
}

func (p *Parts) members(ctx context.Context, s *Status) (err error) {
	s.Members = map[string][]kafka.Member{}
	for _, group := range []string{p.Config.Name, p.Config.Name + ".snapshot", p.Config.Name + ".capture"} {
		if s.Members[group], err = p.Kafka.Members(ctx, group); err != nil {
			return err
		}
	}
	return nil
}
