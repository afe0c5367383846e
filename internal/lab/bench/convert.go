package main

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// plain is an attribute as DynamoDB JSON, for the types that the rows have. Its fields point into the SDK's value.
type plain struct {
	S *string          `json:",omitempty"`
	N *string          `json:",omitempty"`
	M map[string]plain `json:",omitempty"`
	L []plain          `json:",omitempty"`
}

// message is the key and the value of a row as JSON, from the SDK's types: what a bare loop has to do by itself.
func message[V any](item map[string]V) (key, value []byte, err error) {
	all, err := plainMap(item)
	if err != nil {
		return nil, nil, err
	}
	if value, err = json.Marshal(all); err != nil {
		return nil, nil, err
	}
	ofKey := make(map[string]plain, len(schema))
	for _, a := range schema {
		ofKey[a.Name] = all[a.Name]
	}
	key, err = json.Marshal(ofKey)
	return key, value, err
}

func plainMap[V any](item map[string]V) (map[string]plain, error) {
	all := make(map[string]plain, len(item))
	for name, value := range item {
		var err error
		if all[name], err = plainValue(value); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return all, nil
}

func plainList[V any](values []V) ([]plain, error) {
	all := make([]plain, len(values))
	for i, value := range values {
		var err error
		if all[i], err = plainValue(value); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// plainValue knows both packages of the SDK.
func plainValue(value any) (p plain, err error) {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		p.S = &v.Value
	case *streams.AttributeValueMemberS:
		p.S = &v.Value
	case *types.AttributeValueMemberN:
		p.N = &v.Value
	case *streams.AttributeValueMemberN:
		p.N = &v.Value
	case *types.AttributeValueMemberM:
		p.M, err = plainMap(v.Value)
	case *streams.AttributeValueMemberM:
		p.M, err = plainMap(v.Value)
	case *types.AttributeValueMemberL:
		p.L, err = plainList(v.Value)
	case *streams.AttributeValueMemberL:
		p.L, err = plainList(v.Value)
	default:
		err = fmt.Errorf("no row has a %T", value)
	}
	return p, err
}

// item is the way back: the SDK's types of a row as JSON.
func item(value []byte) (map[string]types.AttributeValue, error) {
	var plain map[string]any
	if err := json.Unmarshal(value, &plain); err != nil {
		return nil, err
	}
	return typedMap(plain)
}

func typedMap(plain map[string]any) (map[string]types.AttributeValue, error) {
	typed := make(map[string]types.AttributeValue, len(plain))
	for name, value := range plain {
		var err error
		if typed[name], err = typedValue(value); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return typed, nil
}

func typedValue(value any) (types.AttributeValue, error) {
	plain, _ := value.(map[string]any)
	for kind, inner := range plain {
		switch v := inner.(type) {
		case string:
			if kind == "N" {
				return &types.AttributeValueMemberN{Value: v}, nil
			}
			return &types.AttributeValueMemberS{Value: v}, nil
		case map[string]any:
			typed, err := typedMap(v)
			return &types.AttributeValueMemberM{Value: typed}, err
		case []any:
			typed := make([]types.AttributeValue, len(v))
			for i, element := range v {
				var err error
				if typed[i], err = typedValue(element); err != nil {
					return nil, err
				}
			}
			return &types.AttributeValueMemberL{Value: typed}, nil
		}
	}
	return nil, fmt.Errorf("no row has the value %v", value)
}
