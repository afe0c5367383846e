package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/lab/bench/stub"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

// What both sides of every pair have.
const (
	region     = "us-east-1"
	partitions = 12 // of a data topic
	segments   = 8  // of a scan, all at once
	shards     = 4  // of the stream
	inFlight   = 16 // calls to the new table at once
	grace      = 10 * time.Minute
)

var attributes = newtable.Attributes{
	Version: "crossfade_version", Deleted: "crossfade_deleted", Shard: "crossfade_shard", Tombstone: "crossfade_tombstone",
}

// parts are the broker and the endpoint that the runs of a pair share, and our client of the broker.
type parts struct {
	rows     cities
	broker   string
	endpoint string
	arrived  func() (arrived, error) // rows at the endpoint, since it was last asked
	kafka    *kafka.Client
	names    int // given out, so that every run has topics of its own
	closings []func() error
}

func openParts(rows cities, h host) (*parts, error) {
	started, err := startHost(h)
	if err != nil {
		return nil, err
	}
	p := &parts{rows: rows, broker: started.Broker, endpoint: started.Endpoint, arrived: started.arrived}
	p.closings = append(p.closings, started.close)
	if err := p.open(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *parts) open() (err error) {
	if p.kafka, err = kafka.Open(kafka.Options{Brokers: []string{p.broker}, ClientID: "bench"}); err != nil {
		return err
	}
	p.closings = append(p.closings, p.kafka.Close)
	return nil
}

func (p *parts) close() error {
	var all error
	for _, closing := range slices.Backward(p.closings) {
		all = errors.Join(all, closing())
	}
	return all
}

func (p *parts) name() string {
	p.names++
	return fmt.Sprintf("bench-%d", p.names)
}

// bareClients are the SDK's clients as a careful user sets them up: enough idle connections, else its defaults.
func (p *parts) bareClients(ctx context.Context) (*sdk.Client, *dynamodbstreams.Client, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*inFlight, inFlight
	})
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithHTTPClient(client))
	if err != nil {
		return nil, nil, err
	}
	loaded.BaseEndpoint = &p.endpoint
	loaded.HTTPClient = stub.Client{HTTP: client}
	return sdk.NewFromConfig(loaded), dynamodbstreams.NewFromConfig(loaded), nil
}

// table opens the table as the workers do.
func (p *parts) table(ctx context.Context) (*dynamodb.Table, error) {
	return dynamodb.Open(ctx, dynamodb.Options{Table: "bench", Region: region, Endpoint: p.endpoint, MaxConnections: inFlight})
}

// checkWrites counts what arrived at the endpoint.
func (p *parts) checkWrites() error {
	a, err := p.arrived()
	if err == nil && (a.Distinct != len(p.rows) || a.Writes != len(p.rows)) {
		err = fmt.Errorf("%d rows have been written, in %d writes, not %d", a.Distinct, a.Writes, len(p.rows))
	}
	return err
}

// checkTopic counts what arrived in a topic.
func (p *parts) checkTopic(ctx context.Context, topic string, records int) error {
	ends, err := p.kafka.EndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	found := int64(0)
	for _, end := range ends {
		found += end
	}
	if int(found) != records {
		return fmt.Errorf("%d records are in %s, not %d", found, topic, records)
	}
	return nil
}

// migration is the topics of a migration that has been created, and what its workers ask of its control log.
type migration struct {
	topics kafka.Topics
	facts  *checkpoint.Facts
	watch  *checkpoint.Watch
}

func (p *parts) migration(ctx context.Context) (*migration, error) {
	name := p.name()
	m := &migration{topics: kafka.TopicsOf(name)}
	_, err := p.kafka.CreateTopics(ctx, kafka.TopicSpec{Topics: m.topics, Partitions: partitions, WorkPartitions: 1})
	if err != nil {
		return nil, err
	}
	control := checkpoint.NewControl(p.kafka.Log(m.topics.Control), name)
	created := &checkpoint.Created{Generation: 1, KeySchema: schema, Partitions: partitions, WorkPartitions: 1, Segments: segments}
	_, _, err = control.Update(ctx, func(checkpoint.State) (*checkpoint.ControlEntry, error) {
		return &checkpoint.ControlEntry{Created: created}, nil // into topics of its own
	})
	if err != nil {
		return nil, err
	}
	m.facts = checkpoint.NewFacts(p.kafka.Log(m.topics.Facts), name, grace)
	m.watch, err = checkpoint.NewWatch(ctx, control, grace)
	return m, err
}

// watched runs a worker beside the watch, as a process does.
func (m *migration) watched(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return m.watch.Run(ctx) })
		group.Go(func() error { return run(ctx) })
		return group.Wait()
	}
}
