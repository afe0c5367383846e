package assembly

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

// Parts is what every command of a migration needs: the connections, opened and not yet used.
type Parts struct {
	Config *migration.Config
	Kafka  *kafka.Client
	Topics kafka.Topics
	Old    *dynamodb.Table
	New    *dynamodb.Table
	Logger *slog.Logger

	// process names this process in facts, in the control log and in the consumer groups; it is never used twice.
	process string
	network Network
	stop    []func() error
}

// Open connects to what the configuration names. With an embedded broker it joins the one that runs on the same
// directory, or starts one that lives as long as the Parts.
func Open(ctx context.Context, c *migration.Config, logger *slog.Logger) (*Parts, error) {
	return OpenOn(ctx, nil, c, logger)
}

// OpenOn is Open on a network that stands in for the machine's; nil is the machine's own.
func OpenOn(ctx context.Context, n *Network, c *migration.Config, logger *slog.Logger) (*Parts, error) {
	var network Network
	if n != nil {
		network = *n
	}
	p := &Parts{Config: c, Logger: logger, Topics: kafka.TopicsOf(c.Name), network: network, process: cmp.Or(network.Process, processName())}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:10])
}

func (p *Parts) open(ctx context.Context) (err error) {
	brokers := p.Config.Kafka.Brokers
	if dir := p.Config.Kafka.Embedded.Dir; dir != "" {
		address, stop, err := broker.Connect(dir) //nolint:contextcheck // the broker outlives the call
		if err != nil {
			return &fault.Error{Class: fault.Fatal, Reason: "embedded-broker", What: "start the embedded broker in " + dir, Err: err}
		}
		brokers = []string{address}
		p.stop = append(p.stop, stop)
	}
	if p.Kafka, err = openKafka(p.Config.Kafka, brokers, p); err != nil {
		return err
	}
	p.stop = append(p.stop, p.Kafka.Close)
	if p.Old, err = p.table(ctx, "old table", p.Config.Source.DynamoDB); err != nil {
		return err
	}
	p.stop = append(p.stop, p.Old.Close)
	if p.New, err = p.table(ctx, "new table", p.Config.Target.DynamoDB); err != nil {
		return err
	}
	p.stop = append(p.stop, p.New.Close)
	return nil
}

// Close gives back what Open took, last first.
func (p *Parts) Close() error {
	var all error
	for _, stop := range slices.Backward(p.stop) {
		all = errors.Join(all, stop())
	}
	p.stop = nil
	return all
}

// requestTimeout is the deadline of one request: at most so long, and well under the grace, as the sweep's guards assume.
func requestTimeout(most, grace time.Duration) time.Duration { return min(most, grace/4) }

func (p *Parts) table(ctx context.Context, called string, side migration.DynamoDB) (*dynamodb.Table, error) {
	return dynamodb.Open(ctx, dynamodb.Options{
		Table: side.Table, Region: side.Region, Endpoint: side.Endpoint, Profile: side.Profile, RoleARN: side.RoleARN,
		MaxConnections: p.Config.Apply.InFlight + p.Config.Snapshot.Segments,
		Timeout:        requestTimeout(10*time.Second, p.Config.Grace), Transport: p.network.Transport,
		Called: called, Logger: p.Logger,
	})
}

// Patience is how long something outside may be away before a command gives up on it. Workers at work have none.
const Patience = 30 * time.Second

// Patiently calls op until it succeeds, for a while: a broker or a database may be away for a moment.
func (p *Parts) Patiently(ctx context.Context, op func(context.Context) error) error {
	_, err := Patiently(ctx, p, func(ctx context.Context) (struct{}, error) { return struct{}{}, op(ctx) })
	return err
}

// Patiently is [Parts.Patiently] with a result: that of the call that succeeded, or of the last one with its error.
func Patiently[T any](ctx context.Context, p *Parts, op func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Patience, fmt.Errorf("gave up after %s", Patience))
	defer cancel()
	// What is waited for, the connections say themselves: each request passes a fault.Dependency.
	return fault.Get(ctx, fault.Retrying(p.Logger, "what a command begins with"), op)
}

// State reads the control log, once; the zero State when there is none.
func (p *Parts) State(ctx context.Context) (checkpoint.State, error) {
	exists, err := p.Kafka.Exists(ctx, p.Topics.Control)
	if err != nil || !exists {
		return checkpoint.State{}, err
	}
	return p.Control().Refresh(ctx)
}

// Control is the migration's control log. What is appended to it is not about topics, or about topics that were confirmed just now.
func (p *Parts) Control() *checkpoint.Control { return p.ControlOf(p.Config.Name) }

// ControlOf is the control log of whatever migration is on the same brokers.
func (p *Parts) ControlOf(name string) *checkpoint.Control {
	return checkpoint.NewControl(p.Kafka.Log(kafka.TopicsOf(name).Control), p.process)
}

// Facts are the migration's facts; nothing has been read of them yet. It holds for them what holds for Control.
func (p *Parts) Facts() *checkpoint.Facts {
	return checkpoint.NewFacts(p.Kafka.Log(p.Topics.Facts), p.process, p.Config.Grace)
}

// From is where the migration's changes come from.
func (p *Parts) From() apply.LiveFrom { return apply.LiveFrom(p.Config.Live.From) }

// Attributes are the names of the attributes that are ours, as the configuration has them.
func Attributes(c *migration.Config) newtable.Attributes {
	a := c.Attributes
	return newtable.Attributes{Version: a.Version, Deleted: a.Deleted, Shard: a.Shard, Tombstone: a.Tombstone}
}

// Reserved are the attribute names that no item may use.
func (p *Parts) Reserved() []string {
	names := Attributes(p.Config)
	if p.From() == apply.FromNone {
		return []string{names.Deleted}
	}
	return names.Names()
}

// RestartCommand is what a person runs to begin a new generation.
func RestartCommand(c *migration.Config) string { return "crossfade restart -f " + c.File }

// Recorded returns the state of a created migration, and refuses a configuration that differs from what was recorded, and
// topics that do.
func (p *Parts) Recorded(ctx context.Context) (checkpoint.State, error) {
	state, err := p.Created(ctx)
	if err != nil {
		return state, err
	}
	return state, p.requireTopics(ctx, state)
}

// Created is Recorded, whatever has become of the topics.
func (p *Parts) Created(ctx context.Context) (checkpoint.State, error) {
	state, err := Patiently(ctx, p, p.stateOrMissing)
	if err != nil {
		return state, err
	}
	if state.Created == nil {
		return state, &fault.Error{
			Class: fault.Fatal, Reason: "not-created", What: fmt.Sprintf("the migration %q has not been created", p.Config.Name),
			Advice: "run: crossfade create -f " + p.Config.File,
		}
	}
	return state, p.SameConfig(state)
}

// SameConfig is nil if the configuration is the one that a created migration was created with; else a ConfigChangedError.
func (p *Parts) SameConfig(state checkpoint.State) error {
	differences := migration.Differences(state.Created.Config, p.Config.Fingerprint())
	if len(differences) == 0 {
		return nil
	}
	return &ConfigChangedError{
		Name: p.Config.Name, Differences: differences, Fixed: slices.Sorted(maps.Keys(state.Created.Config)),
	}
}

// ConfigChangedError says that the file is not the one that the migration was created with.
type ConfigChangedError struct {
	Name        string
	Differences []migration.Difference
	Fixed       []string // the fields that create has recorded
}

func (e *ConfigChangedError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "the configuration differs from what was recorded when %q was created:", e.Name)
	for _, d := range e.Differences {
		fmt.Fprintf(&text, "\n  %s: recorded %q, now %q", d.Field, d.Recorded, d.Now)
	}
	text.WriteString("\nWhat is stored already was made with what is recorded: change it back, or create another migration, with another name and another new table.")
	if len(e.Fixed) > 0 {
		fmt.Fprintf(&text, "\nFixed by create are %s. Everything else may be changed; a worker reads the file when it starts.", strings.Join(e.Fixed, ", "))
	}
	return text.String()
}
