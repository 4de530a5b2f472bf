//! The Open Inference Protocol, version 2, over gRPC.

use std::collections::HashMap;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::Server;
use super::protocol::{EXTENSIONS, NAME};
use super::repository::{Model, PLATFORM};
use super::request::refuse_unknown;
use super::tensor::{DataType, Refusal, Tensor, TensorSpec, Values};

#[allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    reason = "made by tonic from proto/open_inference.proto"
)]
mod messages {
    tonic::include_proto!("inference");
}

use messages::grpc_inference_service_server::{GrpcInferenceService, GrpcInferenceServiceServer};
use messages::infer_parameter::ParameterChoice;
use messages::model_infer_request::InferInputTensor;
use messages::model_infer_response::InferOutputTensor;
use messages::model_metadata_response::TensorMetadata;
use messages::{
    InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataRequest,
    ModelMetadataResponse, ModelReadyRequest, ModelReadyResponse, ServerLiveRequest,
    ServerLiveResponse, ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest,
    ServerReadyResponse,
};

/// Where the service lies among the routes of HTTP.
pub const ROUTE: &str = "/inference.GRPCInferenceService/{*method}";

/// The service. A message may have so many bytes.
pub fn service(server: Arc<Server>, largest: usize) -> GrpcInferenceServiceServer<Service> {
    GrpcInferenceServiceServer::new(Service(server))
        .max_decoding_message_size(largest)
        .max_encoding_message_size(usize::MAX)
}

/// Answers the calls of the protocol.
pub struct Service(Arc<Server>);

/// The version that a message asks for; an empty one stands for none.
fn version(text: &str) -> Option<&str> {
    Some(text).filter(|v| !v.is_empty())
}

#[tonic::async_trait]
impl GrpcInferenceService for Service {
    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        let ready = !self.0.is_stopping();
        Ok(Response::new(ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let request = request.into_inner();
        self.0
            .repository
            .get(&request.name, version(&request.version))?;
        Ok(Response::new(ModelReadyResponse { ready: true }))
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Ok(Response::new(ServerMetadataResponse {
            name: NAME.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            extensions: EXTENSIONS.map(str::to_owned).into(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let request = request.into_inner();
        let repository = &self.0.repository;
        let model = repository.get(&request.name, version(&request.version))?;
        let versions = repository.versions(&request.name).into_iter();
        Ok(Response::new(ModelMetadataResponse {
            name: model.name.clone(),
            versions: versions.map(|m| m.version.clone()).collect(),
            platform: PLATFORM.into(),
            inputs: described(&model.inputs),
            outputs: described(&model.outputs),
        }))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let answer = infer(&self.0, request.into_inner()).await;
        // Over gRPC a refusal has HTTP's status 200, so that nobody else counts it.
        let answer = answer.inspect_err(|refusal| self.0.metrics.refused(refusal.reason()));
        Ok(Response::new(answer?))
    }
}

fn described(specs: &[TensorSpec]) -> Vec<TensorMetadata> {
    let each = specs.iter().map(|spec| TensorMetadata {
        name: spec.name.clone(),
        datatype: spec.data_type.name().into(),
        shape: spec.shape.clone(),
    });
    each.collect()
}

async fn infer(server: &Server, request: ModelInferRequest) -> Result<ModelInferResponse, Refusal> {
    let asked_for = version(&request.model_version);
    let model = server.repository.get(&request.model_name, asked_for)?;
    refuse_unknown(|name| request.parameters.contains_key(name))?;
    for output in &request.outputs {
        refuse_unknown(|name| output.parameters.contains_key(name))?;
    }
    let raw = !request.raw_input_contents.is_empty();
    if raw && request.raw_input_contents.len() != request.inputs.len() {
        return Err(Refusal::Invalid(format!(
            "there are {} inputs and raw contents of {}",
            request.inputs.len(),
            request.raw_input_contents.len()
        )));
    }
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for (place, input) in request.inputs.iter().enumerate() {
        inputs.push(read(model, input, request.raw_input_contents.get(place))?);
    }
    let places: Vec<usize> = match request.outputs.is_empty() {
        true => (0..model.outputs.len()).collect(),
        false => {
            let names = request.outputs.iter();
            names
                .map(|output| model.output(&output.name))
                .collect::<Result<_, _>>()?
        }
    };
    let (values, rows) = model.arrange(inputs)?;
    let outputs = server.batcher.run(model, values, rows).await?;
    // Who sends typed contents reads them, too; others are answered in bytes.
    let typed = !raw && !wants_bytes(&request.parameters);
    Ok(answer(
        model,
        request.id,
        places.iter().map(|&p| &outputs[p]),
        typed,
    ))
}

fn wants_bytes(parameters: &HashMap<String, messages::InferParameter>) -> bool {
    let wish = parameters.get("binary_data_output");
    let wish = wish.and_then(|parameter| parameter.parameter_choice.as_ref());
    matches!(wish, Some(ParameterChoice::BoolParam(true)))
}

fn read(
    model: &Model,
    input: &InferInputTensor,
    raw: Option<&bytes::Bytes>,
) -> Result<Tensor, Refusal> {
    let name = &input.name;
    refuse_unknown(|name| input.parameters.contains_key(name))?;
    let (_, spec) = model.input(name)?;
    let count = spec.check(&input.datatype, &input.shape)?;
    let values = match (raw, &input.contents) {
        (Some(_), Some(_)) => {
            return Err(Refusal::Invalid(format!(
                "input '{name}' has raw and other contents; give one of them"
            )));
        }
        (Some(bytes), None) => Values::of_bytes(spec.data_type, bytes)
            .ok_or_else(|| Refusal::Invalid(format!("input '{name}' has {} bytes", bytes.len())))?,
        (None, Some(contents)) => match spec.data_type {
            DataType::Fp32 => Values::Fp32(contents.fp32_contents.clone()),
            DataType::Int64 => Values::Int64(contents.int64_contents.clone()),
        },
        (None, None) => Values::empty(spec.data_type, 0),
    };
    spec.tensor(&input.shape, count, values)
}

fn answer<'a>(
    model: &Model,
    id: String,
    outputs: impl Iterator<Item = &'a Tensor>,
    typed: bool,
) -> ModelInferResponse {
    let mut answer = ModelInferResponse {
        model_name: model.name.clone(),
        model_version: model.version.clone(),
        id,
        ..ModelInferResponse::default()
    };
    for tensor in outputs {
        if !typed {
            answer.raw_output_contents.push(tensor.values.bytes());
        }
        answer.outputs.push(InferOutputTensor {
            name: tensor.name.clone(),
            datatype: tensor.values.data_type().name().into(),
            shape: tensor.shape.iter().map(|&s| s as i64).collect(),
            contents: typed.then(|| contents(&tensor.values)),
            ..InferOutputTensor::default()
        });
    }
    answer
}

fn contents(values: &Values) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    match values {
        Values::Fp32(values) => contents.fp32_contents.clone_from(values),
        Values::Int64(values) => contents.int64_contents.clone_from(values),
    }
    contents
}
