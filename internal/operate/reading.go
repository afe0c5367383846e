package operate

import (
	"context"
	"errors"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// reading is what one look has found, before anything is made of it. The order in which it is read matters: the facts
// first, so that a shard without one is no older than the list of shards; the ends of the topics after them, so that
// what the facts say to be published is before the ends, and no lag is too short.
type reading struct {
	config   *migration.Config
	topics   kafka.Topics
	at       time.Time // when all of it had been read
	state    checkpoint.State
	segments []checkpoint.SegmentFact
	shards   map[string]checkpoint.ShardFact
	applied  []checkpoint.AppliedFact
	workers  map[string]checkpoint.WorkerFact
	// stream is every shard that the stream lists; streamErr says why it could not be asked. Both are for changes from the
	// stream only.
	stream    []capture.Shard
	streamErr error
	ends      map[string]map[int]int64 // of each partition of the data topics
	dead      DeadLetters
	expiry    Expiry
	topicErr  error                     // why workers refuse the topics, or why that could not be asked
	unknown   []string                  // of the topics
	members   map[string][]kafka.Member // by group
}

func (r *reading) from() apply.LiveFrom { return apply.LiveFrom(r.config.Live.From) }

// look reads a migration that has been created with this configuration; another one's tables are not these.
func (o *Onlooker) look(ctx context.Context) (*reading, error) {
	state, err := o.Created(ctx)
	if err != nil {
		return nil, err
	}
	settings, topicErr := o.CheckTopics(ctx, state)
	facts := o.Facts()
	if err := facts.Refresh(ctx); err != nil {
		return nil, errors.Join(topicErr, err)
	}
	r := &reading{
		config: o.Config, topics: o.Topics, state: state, workers: facts.Workers(),
		segments: facts.Segments(state.Generation()), shards: facts.Shards(state.Generation()), applied: facts.Applied(state.Epoch),
		topicErr: topicErr, unknown: settings.Unknown,
	}
	if o.From() == apply.FromStream {
		r.stream, r.streamErr = o.streamShards(ctx, state)
	}
	r.expiry = o.timeToLive(ctx)
	err = errors.Join(o.ends(ctx, r), o.members(ctx, r), o.deadLetters(ctx, r))
	r.at = time.Now().UTC()
	return r, err
}

const (
	// tablePatience bounds a question to a table: when the database does not answer, the rest is still worth showing.
	tablePatience = 5 * time.Second
	// expiryEvery is how often the time to live is asked for: it changes seldom, and the service answers few such questions.
	expiryEvery = time.Minute
)

func (o *Onlooker) streamShards(ctx context.Context, state checkpoint.State) ([]capture.Shard, error) {
	ctx, cancel := context.WithTimeout(ctx, tablePatience)
	defer cancel()
	return dynamodb.NewStream(o.Old, state.Stream(), state.Created.KeySchema).Shards(ctx)
}

func (o *Onlooker) ends(ctx context.Context, r *reading) (err error) {
	r.ends = map[string]map[int]int64{}
	for _, topic := range []string{o.Topics.Snapshot, o.Topics.Live} {
		if r.ends[topic], err = o.Kafka.EndOffsets(ctx, topic); err != nil {
			return err
		}
	}
	return nil
}

func (o *Onlooker) members(ctx context.Context, r *reading) (err error) {
	r.members = map[string][]kafka.Member{}
	for _, role := range []assembly.Role{assembly.SnapshotRole, assembly.CaptureRole, assembly.ApplyRole} {
		group := role.Group(o.Config.Name)
		if r.members[group], err = o.Kafka.Members(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// timeToLive asks whether items of the new table expire; an answer is good for a while.
func (o *Onlooker) timeToLive(ctx context.Context) Expiry {
	if !o.expiryAt.IsZero() && time.Since(o.expiryAt) < expiryEvery && o.expiry.Unknown == "" {
		return o.expiry
	}
	ctx, cancel := context.WithTimeout(ctx, tablePatience)
	defer cancel()
	ttl, err := o.New.TimeToLive(ctx)
	o.expiryAt = time.Now()
	if err != nil {
		o.expiry = Expiry{Unknown: err.Error(), Refused: dynamodb.NotPermitted(err) || dynamodb.NotKnown(err)}
	} else {
		o.expiry = Expiry{Status: ttl.Status, Attribute: ttl.Attribute, Removes: ttl.Removes()}
	}
	return o.expiry
}
