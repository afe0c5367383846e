package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// Options are the flags of the demonstration.
type Options struct {
	Items int    // rows of the old table; 0 is 50,000
	Rate  int    // changes a second; 0 is 500
	Seed  uint64 // the same seed gives the same application
	Naive bool   // write without conditions, as a plain copy does, to see the damage
	JSON  bool   // the report as JSON

	Stdout io.Writer // the report
	Stderr io.Writer // progress: bars on a terminal, lines elsewhere

	// Worker is the command of a worker of a kind, snapshot or streamer, up to the flags -f and --naive. Nil: this
	// executable with the arguments worker and the kind.
	Worker func(kind string) []string
}

func (o Options) withDefaults() (Options, error) {
	o.Items, o.Rate = cmp.Or(o.Items, 50_000), cmp.Or(o.Rate, 500)
	if o.Items < 1 || o.Rate < 1 {
		return o, fmt.Errorf("%d items and %d changes a second: both must be positive", o.Items, o.Rate)
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	if o.Worker == nil {
		self, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("find this executable: %w", err)
		}
		o.Worker = func(kind string) []string { return []string{self, "worker", kind} }
	}
	return o, nil
}

// Run is the demonstration. It shows what it does while it does it, writes the report to Stdout, and returns it. An
// error is that it could not be brought to its end; what it found is in the report (see Report.OK).
//
// It sets the environment variables that lead the SDK to an AWS account, in this process: nothing here may ever reach
// a real one.
func Run(ctx context.Context, o Options) (Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Report{}, err
	}
	r := &run{
		Options: o, display: newDisplay(o.Stderr), logger: slog.New(slog.DiscardHandler),
		report: Report{Items: o.Items, Rate: o.Rate, Seed: o.Seed, Naive: o.Naive},
	}
	began := time.Now()
	err = r.all(ctx)
	r.report.Seconds = time.Since(began).Seconds()
	if err != nil {
		return r.report, err
	}
	return r.report, r.report.write(o.Stdout, o.JSON)
}

// run is one demonstration.
type run struct {
	Options
	display
	logger *slog.Logger
	report Report

	dir      string
	server   *embedded.Server
	config   *migration.Config
	parts    *assembly.Parts
	app      *Application
	workers  fleet
	closings []func() error // what has been opened, to be closed last first
}

// all goes through the steps and cleans up after them. The folder stays, with the workers' logs, if something is
// wrong that was not to be shown.
func (r *run) all(ctx context.Context) error {
	err := r.prepare(ctx)
	if err == nil {
		err = r.live(ctx)
	}
	r.end()
	wrong := err != nil || !r.Naive && !r.report.OK()
	err = errors.Join(err, r.workers.abandon())
	for _, closing := range slices.Backward(r.closings) {
		err = errors.Join(err, closing())
	}
	if r.dir == "" {
		return err
	}
	if wrong {
		r.say("the workers' logs are in %s", r.dir)
		return errors.Join(err, r.workers.writeLogs(r.dir))
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// prepare starts the parts and makes both tables and the configuration.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.dir, err = os.MkdirTemp("", "crossfade-demo-"); err != nil {
		return err
	}
	if err := UseNoAccount(); err != nil {
		return err
	}
	kafka, err := broker.Start("") //nolint:contextcheck // the broker outlives the call
	if err != nil {
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	r.closings = append(r.closings, kafka.Close)
	r.server = embedded.New(embedded.Options{Shards: shards, Region: region})
	endpoint, err := r.server.Start() //nolint:contextcheck // to listen on loopback does not wait
	if err != nil {
		return fmt.Errorf("start the embedded DynamoDB: %w", err)
	}
	r.closings = append(r.closings, r.server.Close)
	r.say("an embedded broker and an embedded DynamoDB are running, on %s and %s", kafka.Address(), endpoint)
	file := filepath.Join(r.dir, "migration.yaml")
	if err := os.WriteFile(file, r.yaml(kafka.Address(), endpoint), 0o600); err != nil {
		return err
	}
	if r.config, err = migration.Load(file); err != nil {
		return err
	}
	if r.parts, err = assembly.Open(ctx, r.config, r.logger); err != nil {
		return err
	}
	r.closings = append(r.closings, r.parts.Close)
	r.workers.argv = func(kind string) []string {
		argv := append(r.Worker(kind), "-f", file)
		if r.Naive && kind == streamerWorker {
			argv = append(argv, "--naive")
		}
		return argv
	}
	return r.fill(ctx)
}

// UseNoAccount keeps the SDK away from whatever this machine is set up for, in this process and those that it starts. The
// embedded DynamoDB takes any credentials.
func UseNoAccount() error {
	for name, value := range environment {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

var environment = map[string]string{
	"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_SESSION_TOKEN": "",
	"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	"AWS_EC2_METADATA_DISABLED": "true", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
}

const (
	region = "us-east-1"
	shards = 4 // of the stream at its beginning; they split on the way
	// grace is short: the sweep waits for it, and a worker may be cut off from the control log for half of it.
	grace = 8 * time.Second
	// copying is how long the snapshot is to take, about: time for changes to meet it.
	copying = 10 * time.Second
	// itemUnits is what reading an item costs, in units of 4 KB.
	itemUnits = 0.16
)

func (r *run) yaml(brokers, endpoint string) []byte {
	return fmt.Appendf(nil, `name: demo
source: {dynamodb: {table: old, region: %[1]s, endpoint: "%[2]s"}}
target: {dynamodb: {table: new, region: %[1]s, endpoint: "%[2]s"}}
kafka: {brokers: ["%[3]s"]}
snapshot: {segments: 64, max_read_units: %.0[4]f}
apply: {in_flight: 16}
grace: %[5]s
`, region, endpoint, brokers, max(1, float64(r.Items)*itemUnits/copying.Seconds()), grace)
}
