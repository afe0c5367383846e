package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var _ Writer = SDKTable{}

// SDKTable writes a table as an application does: through the SDK, with its types.
type SDKTable struct {
	Client *dynamodb.Client
	Name   string
	// Tombstones makes Delete put a marker in place of the item: an application that writes the new table itself.
	Tombstones string // the name of the deleted-at attribute; empty: really delete
}

// Put implements Writer.
func (t SDKTable) Put(ctx context.Context, item []byte) error {
	typed, err := Typed(item)
	if err != nil {
		return err
	}
	_, err = t.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.Name, Item: typed})
	return err
}

// Update implements Writer. An application that writes the new table itself puts the whole item: what it updates may
// be a marker.
func (t SDKTable) Update(ctx context.Context, key string, item []byte) error {
	if t.Tombstones != "" {
		return t.Put(ctx, item)
	}
	typedKey, err := Typed([]byte(key))
	if err != nil {
		return err
	}
	typed, err := Typed(item)
	if err != nil {
		return err
	}
	var sets []string
	names, values := map[string]string{}, map[string]types.AttributeValue{}
	for name, value := range typed {
		if _, ofKey := typedKey[name]; ofKey {
			continue // a key attribute is not set
		}
		n := strconv.Itoa(len(sets))
		sets = append(sets, "#"+n+" = :"+n)
		names["#"+n], values[":"+n] = name, value
	}
	input := &dynamodb.UpdateItemInput{TableName: &t.Name, Key: typedKey}
	if len(sets) > 0 {
		input.UpdateExpression = new("SET " + strings.Join(sets, ", "))
		input.ExpressionAttributeNames, input.ExpressionAttributeValues = names, values
	}
	_, err = t.Client.UpdateItem(ctx, input)
	return err
}

// Delete implements Writer.
func (t SDKTable) Delete(ctx context.Context, key string) error {
	typed, err := Typed([]byte(key))
	if err != nil {
		return err
	}
	if t.Tombstones != "" {
		typed[t.Tombstones] = &types.AttributeValueMemberN{Value: "1700000000"}
		_, err = t.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.Name, Item: typed})
		return err
	}
	_, err = t.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.Name, Key: typed})
	return err
}

// batchSize is the most items of one BatchWriteItem.
const batchSize = 25

const batchTimeout = 30 * time.Second

// Load writes rows from to to in batches, and again what the table did not take.
func (t SDKTable) Load(ctx context.Context, rows Rows, from, to int) error {
	for ; from < to; from += batchSize {
		var requests []types.WriteRequest
		for i := from; i < min(to, from+batchSize); i++ {
			item, err := Typed(rows.Item(i, 0))
			if err != nil {
				return err
			}
			requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		}
		if err := t.batch(ctx, requests); err != nil {
			return fmt.Errorf("load table %s: %w", t.Name, err)
		}
	}
	return nil
}

// batch writes what one BatchWriteItem can hold, and goes on until the table has taken all of it.
func (t SDKTable) batch(ctx context.Context, requests []types.WriteRequest) error {
	for {
		call, cancel := context.WithTimeout(ctx, batchTimeout)
		answer, err := t.Client.BatchWriteItem(call, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{t.Name: requests},
		})
		cancel()
		if err != nil {
			return err
		}
		if requests = answer.UnprocessedItems[t.Name]; len(requests) == 0 {
			return nil
		}
		if !pause(ctx, writePause) {
			return ctx.Err()
		}
	}
}

// Typed turns DynamoDB JSON into the SDK's types.
func Typed(item []byte) (map[string]types.AttributeValue, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(item, &raw); err != nil {
		return nil, err
	}
	typed := make(map[string]types.AttributeValue, len(raw))
	for name, value := range raw {
		v, err := typedValue(value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		typed[name] = v
	}
	return typed, nil
}

func typedValue(raw json.RawMessage) (types.AttributeValue, error) {
	var v struct {
		S, N, B    *string
		BOOL, NULL *bool
		SS, NS, BS []string
		M          map[string]json.RawMessage
		L          *[]json.RawMessage
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	switch {
	case v.S != nil:
		return &types.AttributeValueMemberS{Value: *v.S}, nil
	case v.N != nil:
		return &types.AttributeValueMemberN{Value: *v.N}, nil
	case v.B != nil:
		b, err := base64.StdEncoding.DecodeString(*v.B)
		return &types.AttributeValueMemberB{Value: b}, err
	case v.BOOL != nil:
		return &types.AttributeValueMemberBOOL{Value: *v.BOOL}, nil
	case v.NULL != nil:
		return &types.AttributeValueMemberNULL{Value: *v.NULL}, nil
	case v.SS != nil:
		return &types.AttributeValueMemberSS{Value: v.SS}, nil
	case v.NS != nil:
		return &types.AttributeValueMemberNS{Value: v.NS}, nil
	case v.BS != nil:
		set := make([][]byte, len(v.BS))
		for i, s := range v.BS {
			var err error
			if set[i], err = base64.StdEncoding.DecodeString(s); err != nil {
				return nil, err
			}
		}
		return &types.AttributeValueMemberBS{Value: set}, nil
	case v.L != nil:
		list := make([]types.AttributeValue, len(*v.L))
		for i, e := range *v.L {
			var err error
			if list[i], err = typedValue(e); err != nil {
				return nil, err
			}
		}
		return &types.AttributeValueMemberL{Value: list}, nil
	case v.M != nil:
		fields := make(map[string]types.AttributeValue, len(v.M))
		for name, e := range v.M {
			var err error
			if fields[name], err = typedValue(e); err != nil {
				return nil, err
			}
		}
		return &types.AttributeValueMemberM{Value: fields}, nil
	}
	return nil, fmt.Errorf("no typed value: %s", raw)
}
