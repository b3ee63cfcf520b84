// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// shape adds a fault for each key below node that is unknown, that is there
// twice, or whose value has another type than its field in t. The YAML decoder
// finds the same, but names lines and Go types instead of keys and remedies.
func (f *faults) shape(key string, node *yaml.Node, t reflect.Type) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case node.Tag == "!!null": // leaves the zero value
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		f.members(key, node, t, structField)
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		f.members(key, node, t, func(t reflect.Type, _ string) reflect.Type { return t.Elem() })
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for i, element := range node.Content {
			f.shape(fmt.Sprintf("%s[%d]", key, i), element, t.Elem())
		}
	case node.Kind != yaml.ScalarNode:
		f.add(key, "must be %s", expected(t))
	case t.Kind() == reflect.Int && node.ShortTag() != "!!int", // the decoder would cut 1.5 to 1
		node.Decode(reflect.New(t).Interface()) != nil:
		f.add(key, "is %q, must be %s", node.Value, expected(t))
	}
}

// members checks each member of a mapping against the type that typeOf gives
// for its name, nil for a name that is unknown.
func (f *faults) members(key string, node *yaml.Node, t reflect.Type, typeOf func(reflect.Type, string) reflect.Type) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		member := strings.TrimPrefix(key+"."+name, ".")
		memberType := typeOf(t, name)
		switch {
		case seen[name]:
			f.add(member, "is there twice, must be there once")
		case node.Content[i].Tag == "!!merge": // its members come from another mapping
			f.shape(key, node.Content[i+1], t)
		case memberType == nil:
			f.add(member, "is unknown, must be one of %s", strings.Join(fieldNames(t), ", "))
		default:
			f.shape(member, node.Content[i+1], memberType)
		}
		seen[name] = true
	}
}

// structField returns the type of the field of a struct that has a name in
// YAML, nil if there is none.
func structField(t reflect.Type, name string) reflect.Type {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == name {
			return t.Field(i).Type
		}
	}
	return nil
}

func fieldNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("yaml"))
	}
	return names
}

// expected says what a value of a type looks like in YAML.
func expected(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 5s"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Slice:
		return "a list"
	default:
		return "a mapping of keys and values"
	}
}
