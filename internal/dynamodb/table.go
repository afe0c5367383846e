package dynamodb

import (
	"cmp"
	"context"
	"fmt"
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
}

// Table is one DynamoDB table. Safe for concurrent use.
type Table struct {
	name    string
	timeout time.Duration
	local   bool // reached by an endpoint of its own: perhaps DynamoDB Local, with its faults
	sdk     *sdk.Client
	streams *dynamodbstreams.Client
	wire    *wire
}

// Open loads the configuration and the credentials' source. It asks nothing of the table yet.
func Open(ctx context.Context, o Options) (*Table, error) {
	what := "load the AWS configuration for table " + o.Table
	connections := cmp.Or(o.MaxConnections, 64)
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*connections, connections
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
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: what, Err: err}
	}
	if loaded.Region == "" {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: what + ": no region", Advice: "set region in the configuration or AWS_REGION"}
	}
	if o.RoleARN != "" {
		loaded.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), o.RoleARN))
	}
	transport := o.Transport
	if transport != nil {
		loaded.HTTPClient = &http.Client{Transport: transport}
	} else if configured, ok := loaded.HTTPClient.(*awshttp.BuildableClient); ok {
		transport = configured.GetTransport() // with what the environment says of certificates
	} else {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: fmt.Sprintf("%s: an HTTP client of type %T", what, loaded.HTTPClient)}
	}
	if o.Endpoint != "" {
		loaded.BaseEndpoint = &o.Endpoint
	}
	t := &Table{
		name: o.Table, timeout: cmp.Or(o.Timeout, 10*time.Second), local: o.Endpoint != "",
		sdk: sdk.NewFromConfig(loaded, func(s *sdk.Options) {
			// DynamoDB Local sends no checksum with its refusals, and the SDK warns of each of them.
			s.DisableValidateResponseChecksum = o.Endpoint != ""
		}),
		streams: dynamodbstreams.NewFromConfig(loaded),
	}
	if t.wire, err = newWire(ctx, loaded, transport, o.Endpoint, t.timeout); err != nil {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "aws-config", What: what, Err: err, Advice: "check the endpoint and the region in the configuration"}
	}
	return t, nil
}

// SDK is the SDK's client for the table's account and region.
func (t *Table) SDK() *sdk.Client { return t.sdk }

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
func (t *Table) Describe(ctx context.Context) (Description, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	answer, err := t.sdk.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: &t.name})
	if err != nil {
		return Description{}, classify(err, "describe table "+t.name)
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
	_, err := t.sdk.UpdateTable(ctx, &sdk.UpdateTableInput{TableName: &t.name, StreamSpecification: &types.StreamSpecification{
		StreamEnabled: new(true), StreamViewType: types.StreamViewTypeNewImage,
	}})
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
		_, err = t.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
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
	body = append(body, `,"ConditionExpression":"attribute_exists(#k) AND attribute_not_exists(#k)","ExpressionAttributeNames":{"#k":`...)
	body = append(quote(body, schema[0].Name), `}}`...)
	_, err := t.wire.call(ctx, "DynamoDB_20120810.PutItem", body)
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
