package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

// Options say which table, and how to reach it.
type Options struct {
	Table    string
	Region   string // empty: as the AWS default chain says
	Endpoint string // empty: AWS's own for the region
	Profile  string // of the shared configuration files; empty: the default chain's
	RoleARN  string // assumed on top of the credentials, when not empty

	MaxConnections int           // idle connections kept for the next call; 0 is 64
	Timeout        time.Duration // of one request; 0 is 10 s
	// Transport, when set, replaces the network; for tests.
	Transport http.RoundTripper

	Called string       // what a person calls the table in lines about an outage; empty: by its name
	Logger *slog.Logger // hears of outages; nil is silence
}

// Table is one DynamoDB table. Safe for concurrent use.
type Table struct {
	name    string
	where   string
	timeout time.Duration
	local   bool // reached by an endpoint of its own: perhaps DynamoDB Local, with its faults
	sdk     *sdk.Client
	streams *dynamodbstreams.Client
	wire    *wire
	outside *fault.Dependency // hears of every request
}

// Open loads the configuration and the credentials' source. It asks nothing of the table yet.
func Open(ctx context.Context, o Options) (*Table, error) {
	what := "load the AWS configuration for table " + o.Table
	loaded, err := o.load(ctx)
	if err != nil {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: what, Err: err}
	}
	if loaded.Region == "" {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: what + ": no region", Advice: "set region in the configuration or AWS_REGION"}
	}
	chain := &chain{provider: loaded.Credentials, profile: o.Profile, load: func(ctx context.Context) (aws.CredentialsProvider, error) {
		again, err := o.load(ctx)
		return again.Credentials, err
	}}
	loaded.Credentials = chain
	transport := o.Transport
	if configured, ok := loaded.HTTPClient.(*awshttp.BuildableClient); transport == nil && ok {
		transport = configured.GetTransport() // with what the environment says of certificates
	} else if transport == nil {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: fmt.Sprintf("%s: an HTTP client of type %T", what, loaded.HTTPClient)}
	}
	guard := newGuard(chain)
	loaded.HTTPClient = sdkClient{guard, transport}
	if o.Endpoint != "" {
		loaded.BaseEndpoint = &o.Endpoint
	}
	where := o.Table + " at " + cmp.Or(o.Endpoint, "DynamoDB in "+loaded.Region)
	t := &Table{
		name: o.Table, where: where, timeout: cmp.Or(o.Timeout, 10*time.Second), local: o.Endpoint != "",
		sdk: sdk.NewFromConfig(loaded, func(s *sdk.Options) {
			// DynamoDB Local sends no checksum with its refusals, and the SDK warns of each of them.
			s.DisableValidateResponseChecksum = o.Endpoint != ""
		}),
		streams: dynamodbstreams.NewFromConfig(loaded),
		outside: fault.NewDependency(o.Logger, cmp.Or(o.Called, "table "+o.Table), where),
	}
	if t.wire, err = newWire(ctx, loaded, transport, guard, o.Endpoint, t.timeout, t.outside); err != nil {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: what, Err: err, Advice: "check the endpoint and the region in the configuration"}
	}
	return t, nil
}

// load loads the configuration, and with it whatever the credentials come from, anew.
func (o Options) load(ctx context.Context) (aws.Config, error) {
	connections := cmp.Or(o.MaxConnections, 64)
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*connections, connections
		t.DisableCompression = true // what is not asked for compressed comes as it was made, and so does its checksum
	})
	loaders := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		// There is one owner of retries, and it is the caller.
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if o.Region != "" {
		loaders = append(loaders, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		loaders = append(loaders, config.WithSharedConfigProfile(o.Profile))
	}
	loaded, err := config.LoadDefaultConfig(ctx, loaders...)
	if err != nil {
		return loaded, err
	}
	if o.RoleARN != "" {
		loaded.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), o.RoleARN))
	}
	return loaded, nil
}

// Close ends the lines about the table; what it has asked for goes on.
func (t *Table) Close() error { return t.outside.Close() }

// SDK is the SDK's client for the table's account and region.
func (t *Table) SDK() *sdk.Client { return t.sdk }

// String is the table's name and where it is.
func (t *Table) String() string { return t.where }

// Name is the table's name.
func (t *Table) Name() string { return t.name }

// Description is what DynamoDB says of a table.
type Description struct {
	ARN        string
	ID         string // which no other table ever has; empty where the server gives none
	KeySchema  events.KeySchema
	Items      int64  // an estimate, some hours old
	Stream     string // the ARN of the stream; empty when it is off
	StreamView string
	NewImages  bool // the stream carries new images
}

// Describe asks for the table.
func (t *Table) Describe(ctx context.Context) (_ Description, err error) {
	answered := t.outside.Ask(ctx, "DescribeTable")
	defer func() { answered(unanswered(err, "DescribeTable")) }()
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	answer, err := t.sdk.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: &t.name})
	if err != nil {
		return Description{}, classify(err, "describe table "+t.name)
	}
	if answer.Table == nil {
		return Description{}, &fault.Error{Class: fault.Retry, Reason: "no-answer", What: "describe table " + t.name, Err: errors.New("the answer describes nothing")}
	}
	if status := answer.Table.TableStatus; status != types.TableStatusActive && status != types.TableStatusUpdating {
		return Description{}, &fault.Error{Class: fault.Retry, Reason: "table-status", What: fmt.Sprintf("table %s is %s", t.name, status)}
	}
	return describe(answer.Table), nil
}

func describe(table *types.TableDescription) Description {
	d := Description{ARN: aws.ToString(table.TableArn), ID: identity(table), Items: aws.ToInt64(table.ItemCount)}
	byName := map[string]types.ScalarAttributeType{}
	for _, a := range table.AttributeDefinitions {
		byName[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	// DynamoDB lists the partition key first.
	for _, k := range table.KeySchema {
		name := aws.ToString(k.AttributeName)
		d.KeySchema = append(d.KeySchema, events.KeyAttribute{Name: name, Type: string(byName[name])})
	}
	if s := table.StreamSpecification; s != nil && aws.ToBool(s.StreamEnabled) {
		d.Stream, d.StreamView = aws.ToString(table.LatestStreamArn), string(s.StreamViewType)
		d.NewImages = s.StreamViewType == types.StreamViewTypeNewImage || s.StreamViewType == types.StreamViewTypeNewAndOldImages
	}
	return d
}

// identity is what no other table ever has. A server that gives none, as DynamoDB Local, may say when it made the table.
func identity(table *types.TableDescription) string {
	if id := aws.ToString(table.TableId); id != "" {
		return id
	}
	if arn, made := aws.ToString(table.TableArn), aws.ToTime(table.CreationDateTime); arn != "" && !made.IsZero() {
		return arn + "@" + made.UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// enableWait bounds how long a stream may take to be there.
const enableWait = 2 * time.Minute

// EnableStream turns the stream on, with new images, waits until it answers, and returns its ARN.
func (t *Table) EnableStream(ctx context.Context) (string, error) {
	what := "enable the stream of table " + t.name
	ctx, cancel := context.WithTimeout(ctx, enableWait)
	defer cancel()
	answered := t.outside.Ask(ctx, "UpdateTable")
	_, err := t.sdk.UpdateTable(ctx, &sdk.UpdateTableInput{TableName: &t.name, StreamSpecification: &types.StreamSpecification{
		StreamEnabled: new(true), StreamViewType: types.StreamViewTypeNewImage,
	}})
	answered(unanswered(err, "UpdateTable"))
	if err != nil {
		return "", classify(err, what)
	}
	var arn string
	err = fault.Do(ctx, nil, func(ctx context.Context) error {
		d, err := t.Describe(ctx)
		if err != nil {
			return err
		}
		if arn = d.Stream; arn == "" {
			return &fault.Error{Class: fault.Retry, Reason: "stream-status", What: what + ": not there yet"}
		}
		answered := t.outside.Ask(ctx, "DescribeStream")
		_, err = t.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
		answered(unanswered(err, "DescribeStream"))
		return classify(err, what)
	})
	return arn, err
}

// CheckRead tries to read the table.
func (t *Table) CheckRead(ctx context.Context) error {
	_, err := t.scan(ctx, scanRequest{segment: 0, total: 1, limit: 1})
	return err
}

// CheckLookup tries to look one row up; there need be none.
func (t *Table) CheckLookup(ctx context.Context, schema events.KeySchema) error {
	_, _, err := t.lookup(ctx, checkKey(schema), schema[0].Name)
	return err
}

// checkKey is a key to try permissions with.
func checkKey(schema events.KeySchema) events.Key {
	key := []byte{'{'}
	for i, k := range schema {
		if i > 0 {
			key = append(key, ',')
		}
		value := map[string]string{"S": "crossfade permission check", "N": "0", "B": "AA=="}[k.Type]
		key = fmt.Appendf(append(quote(key, k.Name), ':'), `{"%s":"%s"}`, k.Type, value)
	}
	return events.Key(append(key, '}'))
}

// CheckWrite tries a PutItem whose condition can never hold: it needs the permission, and changes nothing.
func (t *Table) CheckWrite(ctx context.Context, schema events.KeySchema) error {
	body := append(t.begin("Item"), checkKey(schema)...)
	body = newtable.Never(schema).Append(body, newtable.ConditionExpression)
	_, err := t.wire.call(ctx, "DynamoDB_20120810.PutItem", append(body, '}'))
	err = classify(err, "write to table "+t.name)
	if _, refused := conditionFailed(err); refused {
		return nil
	}
	return err
}

// begin starts the body of a request about this table, up to the value of its next member.
func (t *Table) begin(member string) []byte {
	body := append(make([]byte, 0, 1024), `{"TableName":`...)
	body = append(quote(body, t.name), `,"`...)
	return append(append(body, member...), `":`...)
}
