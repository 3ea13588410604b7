"""What is heard of people and seen by itself, on its way to the pains that it points to: evidence, its nearest pains,
groups of what is alike, and telemetry. Nothing here decides what belongs together; a person does."""
