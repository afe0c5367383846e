package main

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// message is the key and the value of a row as JSON, from the SDK's types: what a bare loop has to do by itself.
func message[V any](item map[string]V) (key, value []byte, err error) {
	plain, err := plainMap(item)
	if err != nil {
		return nil, nil, err
	}
	if value, err = json.Marshal(plain); err != nil {
		return nil, nil, err
	}
	ofKey := make(map[string]any, len(schema))
	for _, a := range schema {
		ofKey[a.Name] = plain[a.Name]
	}
	key, err = json.Marshal(ofKey)
	return key, value, err
}

func plainMap[V any](item map[string]V) (map[string]any, error) {
	plain := make(map[string]any, len(item))
	for name, value := range item {
		var err error
		if plain[name], err = plainValue(value); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return plain, nil
}

func plainList[V any](values []V) ([]any, error) {
	plain := make([]any, len(values))
	for i, value := range values {
		var err error
		if plain[i], err = plainValue(value); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// plainValue knows the types that the rows have, in both packages of the SDK.
func plainValue(value any) (plain map[string]any, err error) {
	var inner any
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}, nil
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}, nil
	case *streams.AttributeValueMemberS:
		return map[string]any{"S": v.Value}, nil
	case *streams.AttributeValueMemberN:
		return map[string]any{"N": v.Value}, nil
	case *types.AttributeValueMemberM:
		inner, err = plainMap(v.Value)
		return map[string]any{"M": inner}, err
	case *streams.AttributeValueMemberM:
		inner, err = plainMap(v.Value)
		return map[string]any{"M": inner}, err
	case *types.AttributeValueMemberL:
		inner, err = plainList(v.Value)
		return map[string]any{"L": inner}, err
	case *streams.AttributeValueMemberL:
		inner, err = plainList(v.Value)
		return map[string]any{"L": inner}, err
	}
	return nil, fmt.Errorf("no row has a %T", value)
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
