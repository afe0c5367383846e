package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

const (
	oldTable, newTable = "old", "new"
	region             = "us-east-1"
	shards             = 4
	batchSize          = 25
	addressesFile      = "services.json"
	servicesWait       = 10 * time.Minute // the fill is part of it
	lookEvery          = 250 * time.Millisecond
)

// serveCommand is the broker and the DynamoDB, both in memory, in a process of their own, so that what they need is not
// counted.
type serveCommand struct {
	Dir   string `required:"" help:"Where the addresses are left."`
	Items int    `help:"Rows of the old table."`
}

// addresses are what a serving process leaves in its folder once the table is filled.
type addresses struct{ Broker, DynamoDB string }

// Run serves until it is told to end.
func (c *serveCommand) Run(ctx context.Context, _ cli.Streams) (err error) {
	kafka, err := broker.Start("") //nolint:contextcheck // it lives until it is closed
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kafka.Close()) }()
	server := embedded.New(embedded.Options{Shards: shards, Region: region})
	for _, table := range []string{oldTable, newTable} {
		if err := createTable(ctx, server, table); err != nil {
			return err
		}
	}
	if err := fill(ctx, server, kilobytes{c.Items}); err != nil {
		return err
	}
	endpoint, err := server.Start() //nolint:contextcheck // to listen on loopback does not wait
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := (addresses{kafka.Address(), endpoint}).write(c.Dir); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// write leaves the addresses in dir; whoever finds the file finds it whole.
func (a addresses) write(dir string) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, addressesFile)
	if err := os.WriteFile(file+".part", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}

// serve starts the services and waits until the old table has its rows.
func serve(ctx context.Context, dir string, items int) (*demo.Process, addresses, error) {
	var a addresses
	self, err := os.Executable()
	if err != nil {
		return nil, a, err
	}
	argv := []string{self, "serve", "--dir", dir, "--items", fmt.Sprint(items)}
	process, err := demo.StartProcess("services", argv, []string{"GOGC=40"}) // millions of rows: half as much again would be garbage
	if err != nil {
		return nil, a, err
	}
	ctx, cancel := context.WithTimeout(ctx, servicesWait)
	defer cancel()
	for {
		text, err := os.ReadFile(filepath.Join(dir, addressesFile))
		if err == nil {
			return process, a, json.Unmarshal(text, &a)
		}
		if ended, failure := process.Ended(); ended {
			return nil, a, errors.Join(errors.New("the services have ended"), failure)
		}
		select {
		case <-ctx.Done():
			return nil, a, errors.Join(fmt.Errorf("wait for the services: %w", context.Cause(ctx)), process.Kill())
		case <-time.After(lookEvery):
		}
	}
}

func createTable(ctx context.Context, server *embedded.Server, name string) error {
	return call(ctx, server, "CreateTable", fmt.Appendf(nil, `{"TableName":%q,"BillingMode":"PAY_PER_REQUEST",`+
		`"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}`, name))
}

// fill writes the rows into the old table, before there is a stream.
func fill(ctx context.Context, server *embedded.Server, rows kilobytes) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < rows.count; from += batchSize {
		group.Go(func() error {
			body := fmt.Appendf(nil, `{"RequestItems":{%q:[`, oldTable)
			for i := from; i < min(from+batchSize, rows.count); i++ {
				if i > from {
					body = append(body, ',')
				}
				body = append(append(append(body, `{"PutRequest":{"Item":`...), rows.Item(i, 0)...), `}}`...)
			}
			return call(ctx, server, "BatchWriteItem", append(body, `]}}`...))
		})
	}
	return group.Wait()
}

// call makes one call of the wire protocol in this process: the SDK would need longer than the server.
func call(ctx context.Context, server *embedded.Server, operation string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://embedded/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	request.Header.Set("Authorization", "none")
	response, err := server.Transport().RoundTrip(request)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	defer response.Body.Close() //nolint:errcheck // it is in memory
	if response.StatusCode == http.StatusOK {
		return nil
	}
	answer, err := io.ReadAll(response.Body)
	return errors.Join(fmt.Errorf("%s: %s: %s", operation, response.Status, answer), err)
}
